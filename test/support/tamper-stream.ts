/** What happens to a push on its way to the server. Positions count from the first byte of the pack. */
export interface Tampering {
  /** Nothing after this many bytes of the pack arrives. */
  readonly truncateAt?: number;
  /** All bits of this byte of the pack are turned. */
  readonly flipAt?: number;
  /** Replaces a ref name by another one of the same length. */
  readonly rename?: readonly [from: string, to: string];
}

function packStart(bytes: Buffer): number {
  return bytes.indexOf('PACK\0\0\0\u0002', 0, 'latin1');
}

function renamed(bytes: Buffer, [from, to]: readonly [string, string]): Buffer {
  const changed = Buffer.from(bytes);
  if (from.length !== to.length) throw new RangeError('a ref can only be renamed to one of the same length');
  for (let at = changed.indexOf(from); at >= 0; at = changed.indexOf(from, at + 1)) changed.write(to, at);
  return changed;
}

/** The whole of what a client sends, changed. Without a pack in it only the names change. */
export function tamper(body: Buffer, tampering: Tampering): Buffer {
  const named = tampering.rename === undefined ? Buffer.from(body) : renamed(body, tampering.rename);
  const start = packStart(named);
  if (start < 0) return named;
  if (tampering.flipAt !== undefined) {
    const at = start + tampering.flipAt;
    named[at] = 255 - (named[at] ?? 0);
  }
  return tampering.truncateAt === undefined ? named : named.subarray(0, start + tampering.truncateAt);
}

/** As a filter between git and ssh: everything before the pack is passed on at once, the pack as a whole. */
async function filter(tampering: Tampering): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  const write = (bytes: Buffer): void => void process.stdout.write(bytes);
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    held = Buffer.concat([held, chunk]);
    const start = packStart(held);
    if (start < 0) {
      write(tamper(held, tampering));
      held = Buffer.alloc(0);
      continue;
    }
    const needed = start + (tampering.truncateAt ?? (tampering.flipAt ?? 0) + 1);
    if (held.length < needed) continue;
    write(tamper(held, tampering));
    // A truncated pack ends the stream; otherwise the rest follows as it is.
    if (tampering.truncateAt !== undefined) process.exit(0);
    for await (const rest of process.stdin as AsyncIterable<Buffer>) write(rest);
    return;
  }
}

if (import.meta.main) await filter(JSON.parse(process.argv[2] ?? '{}') as Tampering);
