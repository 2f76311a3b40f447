import { type ObjectFormat, PackhorseError, oidLength } from '#base';
import type { Ref } from '#wire';
import { compareRefNames } from './ref-name.ts';

/** The content of a packed-refs file. */
export interface PackedRefs {
  /** Sorted by name. `peeled` is set where the file says so. */
  readonly refs: readonly Ref[];
  /** What an absent `peeled` means: `all` refs that can be peeled are, only those in `tags`, or `none` is known. */
  readonly peeling: 'all' | 'tags' | 'none';
}

export const noPackedRefs: PackedRefs = { refs: [], peeling: 'all' };

const header = '# pack-refs with: peeled fully-peeled sorted \n';

/**
 * Reads a packed-refs file: a header with traits, then `<oid> <name>` lines, each followed by
 * `^<oid>` where it is an annotated tag. Names that are not UTF-8 are left out, because nothing
 * above can name them. Throws `data_loss` when the file is damaged.
 */
export function parsePackedRefs(bytes: Buffer, format: ObjectFormat): PackedRefs {
  const text = bytes.toString('utf8');
  const idLength = oidLength(format);
  const refs: Ref[] = [];
  let position = 0;
  let traits: readonly string[] = [];
  if (text.startsWith('#')) {
    const end = lineEnd(text, 0);
    const line = text.slice(0, end);
    if (line.startsWith('# pack-refs with:'))
      traits = line.slice('# pack-refs with:'.length).trim().split(' ');
    position = end + 1;
  }
  const sorted = traits.includes('sorted');
  while (position < text.length) {
    const end = lineEnd(text, position);
    if (text[position] === '^') {
      addPeeled(refs, text.slice(position + 1, end), idLength);
    } else if (text[position + idLength] === ' ' && end > position + idLength + 1) {
      refs.push({
        oid: text.slice(position, position + idLength),
        name: text.slice(position + idLength + 1, end),
      });
    } else if (text[position] !== '#') {
      throw damaged();
    }
    position = end + 1;
  }
  if (!sorted) refs.sort((one, other) => compareRefNames(one.name, other.name));
  const peeling = traits.includes('fully-peeled') ? 'all' : traits.includes('peeled') ? 'tags' : 'none';
  return { refs: refs.some((ref) => ref.name.includes('\ufffd')) ? withoutBrokenNames(refs) : refs, peeling };
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  if (end === -1) throw damaged();
  return end;
}

function addPeeled(refs: Ref[], peeled: string, idLength: number): void {
  const ref = refs.pop();
  if (ref === undefined || peeled.length !== idLength) throw damaged();
  refs.push({ ...ref, peeled });
}

function withoutBrokenNames(refs: readonly Ref[]): readonly Ref[] {
  return refs.filter((ref) => !ref.name.includes('\ufffd'));
}

function damaged(): PackhorseError {
  return new PackhorseError('data_loss', "The repository's packed-refs file is damaged.");
}

/** The lines of a packed-refs file that says everything about peeling, in chunks of moderate size. */
export function* renderPackedRefs(refs: readonly Ref[]): Generator<Buffer, void, undefined> {
  const refsPerChunk = 1024;
  let lines = header;
  for (let start = 0; start < refs.length; start += refsPerChunk) {
    for (const ref of refs.slice(start, start + refsPerChunk)) {
      lines += `${ref.oid} ${ref.name}\n`;
      if (ref.peeled !== undefined) lines += `^${ref.peeled}\n`;
    }
    yield Buffer.from(lines);
    lines = '';
  }
  if (lines !== '') yield Buffer.from(lines);
}
