import type { ObjectFormat, Oid } from '#base';
import type { TreeEntry } from '../reader.ts';
import { MalformedObject } from './malformed.ts';
import { isLossy } from './text.ts';

/** One line of a tree object. */
export interface TreeLine {
  /** UTF-8, with U+FFFD for invalid bytes. */
  readonly name: string;
  /** The bytes of the name when `name` does not say them exactly. */
  readonly rawName?: Buffer;
  readonly mode: number;
  readonly oid: Oid;
}

const fileTypeMask = 0o170000;

/** What a file mode stands for. */
export function kindOfMode(mode: number): TreeEntry['kind'] {
  switch (mode & fileTypeMask) {
    case 0o040000:
      return 'tree';
    case 0o120000:
      return 'symlink';
    case 0o160000:
      return 'submodule';
    default:
      return (mode & 0o100) === 0 ? 'file' : 'executable';
  }
}

/** Entries parsed in one go: the event loop gets its turn in between. */
const sliceEntries = 4_000;

/**
 * Reads a tree object: `mode SP name NUL id`, again and again. A generator, since a directory may
 * have a hundred thousand entries: it pauses after every few thousand. With `wanted` only lines of
 * these names are made, which is much less work.
 */
export function* parseTree(
  oid: Oid,
  bytes: Buffer,
  format: ObjectFormat,
  wanted?: ReadonlySet<string>,
): Generator<undefined, readonly TreeLine[], undefined> {
  const idBytes = format === 'sha1' ? 20 : 32;
  const lines: TreeLine[] = [];
  let at = 0;
  for (let count = 1; at < bytes.length; count += 1) {
    const modeEnd = bytes.indexOf(0x20, at);
    const nameEnd = modeEnd === -1 ? -1 : bytes.indexOf(0, modeEnd + 1);
    const end = nameEnd + 1 + idBytes;
    if (nameEnd <= modeEnd + 1 || end > bytes.length) throw new MalformedObject('tree', oid);
    const rawName = bytes.subarray(modeEnd + 1, nameEnd);
    const name = rawName.toString();
    if (wanted === undefined || wanted.has(name)) {
      const mode = Number.parseInt(bytes.toString('latin1', at, modeEnd), 8);
      if (Number.isNaN(mode)) throw new MalformedObject('tree', oid);
      lines.push(treeLine(name, rawName, mode, bytes.toString('hex', nameEnd + 1, end)));
    }
    at = end;
    if (count % sliceEntries === 0) yield undefined;
  }
  return lines;
}

function treeLine(name: string, rawName: Buffer, mode: number, oid: Oid): TreeLine {
  // Copied, because a view would keep the whole tree in memory.
  return isLossy(rawName) ? { name, rawName: Buffer.from(rawName), mode, oid } : { name, mode, oid };
}

/** The entry called `name`: by its exact bytes, else the first one that is shown like that. */
export function findLine(lines: readonly TreeLine[], name: string): TreeLine | undefined {
  return (
    lines.find((line) => line.name === name && line.rawName === undefined) ??
    lines.find((line) => line.name === name)
  );
}
