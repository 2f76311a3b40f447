import { createHash } from 'node:crypto';
import type { ObjectFormat, Oid } from '#base';
import type { ObjectKind, Signature } from '../reader.ts';
import { kindOfMode, type TreeLine } from './tree-object.ts';

/** An object that is not in any repository yet. */
export interface NewObject {
  readonly kind: ObjectKind;
  readonly oid: Oid;
  readonly bytes: Uint8Array;
}

/** Names an object: the hash of `kind SP size NUL content`. */
export function newObject(kind: ObjectKind, bytes: Uint8Array, format: ObjectFormat): NewObject {
  const oid = createHash(format).update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex');
  return { kind, oid, bytes };
}

/** The content of a tree object, in the order that git demands: directories as if their name ended with a slash. */
export function encodeTree(lines: readonly TreeLine[]): Buffer {
  const named = lines.map((line) => {
    const name = line.rawName ?? Buffer.from(line.name);
    const slash = kindOfMode(line.mode) === 'tree' ? '/' : '';
    return { line, name, key: Buffer.concat([name, Buffer.from(slash)]) };
  });
  named.sort((one, other) => Buffer.compare(one.key, other.key));
  return Buffer.concat(
    named.flatMap(({ line, name }) => [
      Buffer.from(`${line.mode.toString(8)} `),
      name,
      Buffer.from([0]),
      Buffer.from(line.oid, 'hex'),
    ]),
  );
}

export interface NewCommit {
  readonly treeOid: Oid;
  readonly parents: readonly Oid[];
  readonly author: Signature;
  readonly committer: Signature;
  readonly message: string;
}

/** The content of a commit object, in UTF-8. */
export function encodeCommit(commit: NewCommit): Buffer {
  const { treeOid, parents, author, committer, message } = commit;
  const lines = [
    `tree ${treeOid}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${encodeSignature(author)}`,
    `committer ${encodeSignature(committer)}`,
    '',
    // What a NUL would hide is not part of a message; the last line ends as in git's own commits.
    message.replaceAll('\0', '').replace(/\n*$/, '\n'),
  ];
  return Buffer.from(lines.join('\n'));
}

function encodeSignature({ name, email, timestampMs, offsetMinutes }: Signature): string {
  const minutes = Math.abs(Math.trunc(offsetMinutes));
  const zone = `${Math.floor(minutes / 60)}`.padStart(2, '0') + `${minutes % 60}`.padStart(2, '0');
  const seconds = Math.max(0, Math.floor(timestampMs / 1000));
  return `${withoutCrud(name)} <${withoutCrud(email)}> ${seconds} ${offsetMinutes < 0 ? '-' : '+'}${zone}`;
}

/** Leaves out what would end a name or an address early. */
function withoutCrud(text: string): string {
  return text.replaceAll(/[<>\n\0]/g, '').trim();
}
