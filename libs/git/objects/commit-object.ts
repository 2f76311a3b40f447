import type { Oid } from '#base';
import type { CommitFields, Signature } from '../reader.ts';
import { MalformedObject } from './malformed.ts';
import { decodeText } from './text.ts';

const newline = 0x0a;
const space = 0x20;

/**
 * Reads a commit object (git-commit-tree(1); gitformat in Documentation/user-manual "Object
 * storage format"). Lenient where git is: odd identities and dates become empty or zero.
 */
export function parseCommit(oid: Oid, bytes: Buffer): CommitFields {
  const headerEnd = bytes.indexOf('\n\n');
  const header = headerEnd === -1 ? bytes : bytes.subarray(0, headerEnd);
  const parents: Oid[] = [];
  let treeOid: Oid | undefined;
  let author: Buffer | undefined;
  let committer: Buffer | undefined;
  let encoding: string | undefined;
  for (const [key, value] of headerLines(header)) {
    if (key === 'tree') treeOid ??= value.toString('latin1');
    else if (key === 'parent') parents.push(value.toString('latin1'));
    else if (key === 'author') author ??= value;
    else if (key === 'committer') committer ??= value;
    else if (key === 'encoding') encoding ??= value.toString('latin1');
  }
  if (treeOid === undefined) throw new MalformedObject('commit', oid);
  const message = headerEnd === -1 ? '' : decodeText(bytes.subarray(headerEnd + 2), encoding);
  return {
    oid,
    treeOid,
    parents,
    author: parseSignature(author, encoding),
    committer: parseSignature(committer, encoding),
    ...splitMessage(message),
  };
}

/** `key value` lines; continuation lines (of signatures) start with a space and are skipped. */
export function* headerLines(
  header: Buffer,
): Generator<readonly [key: string, value: Buffer], void, undefined> {
  let start = 0;
  while (start < header.length) {
    const lineEnd = header.indexOf(newline, start);
    const end = lineEnd === -1 ? header.length : lineEnd;
    if (header[start] !== space) {
      const keyEnd = header.indexOf(space, start);
      if (keyEnd !== -1 && keyEnd < end)
        yield [header.toString('latin1', start, keyEnd), header.subarray(keyEnd + 1, end)];
    }
    start = end + 1;
  }
}

/** `Name <email> seconds zone`: the e-mail is what the first pair of angle brackets holds, the date follows the last one. */
export function parseSignature(line: Buffer | undefined, encoding?: string): Signature {
  const text = line === undefined ? '' : decodeText(line, encoding);
  const open = text.indexOf('<');
  const close = text.indexOf('>', open + 1);
  const name = (open === -1 ? text : text.slice(0, open)).trim();
  const email = open === -1 || close === -1 ? '' : text.slice(open + 1, close).trim();
  const date = /^\s*(\d+)\s*([+-]\d{1,4})?/.exec(text.slice(text.lastIndexOf('>') + 1));
  const seconds = Number(date?.[1] ?? 0);
  return {
    name,
    email,
    // Past this a Date cannot show it; git shows such dates as the epoch, too.
    timestampMs: seconds <= 8.64e12 ? seconds * 1000 : 0,
    offsetMinutes: zoneMinutes(Number(date?.[2] ?? 0)),
  };
}

/** `-0730` is read as a number; its last two digits are the minutes. */
function zoneMinutes(zone: number): number {
  const size = Math.abs(zone);
  const minutes = Math.floor(size / 100) * 60 + (size % 100);
  return zone < 0 ? -minutes : minutes;
}

/** As git's `%s` and `%b`: the first paragraph on one line, and what follows it. */
export function splitMessage(message: string): { readonly summary: string; readonly body: string } {
  const lines = message.split('\n');
  let index = lines.findIndex((line) => line.trim() !== '');
  if (index === -1) return { summary: '', body: '' };
  const summary: string[] = [];
  for (; index < lines.length && lines[index]?.trim() !== ''; index += 1) {
    summary.push((lines[index] ?? '').trimEnd());
  }
  while (index < lines.length && lines[index]?.trim() === '') index += 1;
  return { summary: summary.join(' '), body: lines.slice(index).join('\n').trimEnd() };
}
