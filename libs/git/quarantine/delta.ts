/** The sizes in front of a delta's instructions. */
export interface DeltaHead {
  readonly baseBytes: number;
  readonly resultBytes: number;
  /** Where the instructions begin. */
  readonly start: number;
}

/** Reads the head of a delta (gitformat-pack, "Deltified representation"); undefined when it is damaged. */
export function deltaHead(delta: Buffer): DeltaHead | undefined {
  const base = readSize(delta, 0);
  const result = base === undefined ? undefined : readSize(delta, base.end);
  if (base === undefined || result === undefined) return undefined;
  return { baseBytes: base.value, resultBytes: result.value, start: result.end };
}

/** Seven bits in each byte, the lowest first. */
function readSize(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let at = from; at < from + 8; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if ((byte & 0x80) === 0) return { value, end: at + 1 };
    scale *= 128;
  }
  return undefined;
}

/** What `delta` makes of `base`; undefined when it does not fit that base or is damaged. */
export function applyDelta(base: Buffer, delta: Buffer): Buffer | undefined {
  const head = deltaHead(delta);
  if (head === undefined || head.baseBytes !== base.length) return undefined;
  const result = Buffer.alloc(head.resultBytes);
  let filled = 0;
  let at = head.start;
  const next = (): number => delta[at++] ?? NaN;
  while (at < delta.length) {
    const code = next();
    let lengthBytes = code;
    let source = delta;
    let from = at;
    if ((code & 0x80) !== 0) {
      let offset = 0;
      for (let bit = 0; bit < 4; bit += 1) if ((code & (1 << bit)) !== 0) offset += next() * 256 ** bit;
      lengthBytes = 0;
      for (let bit = 0; bit < 3; bit += 1)
        if ((code & (0x10 << bit)) !== 0) lengthBytes += next() * 256 ** bit;
      if (lengthBytes === 0) lengthBytes = 0x10000;
      source = base;
      from = offset;
    } else if (code === 0) return undefined;
    else at += lengthBytes;
    // Damaged numbers are NaN, for which no comparison holds.
    if (!(from + lengthBytes <= source.length && filled + lengthBytes <= result.length)) return undefined;
    source.copy(result, filled, from, from + lengthBytes);
    filled += lengthBytes;
  }
  return filled === result.length ? result : undefined;
}
