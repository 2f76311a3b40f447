import { git } from '#test/git';
import type { Contestant } from './contestant.ts';

/** Requests of protocol v2, as git itself sends them (gitprotocol-v2). */

function line(text: string): string {
  return (text.length + 5).toString(16).padStart(4, '0') + text + '\n';
}

const delimiter = '0001';
const flush = '0000';
const capabilities = line('agent=packhorse-bench') + line('object-format=sha1');

export function lsRefs(prefixes: readonly string[]): string {
  const command = line('command=ls-refs') + capabilities + delimiter + line('peel') + line('symrefs');
  return command + prefixes.map((prefix) => line(`ref-prefix ${prefix}`)).join('') + flush;
}

export type PackKind = 'full' | 'depth 1' | 'blob:none';

/** `wants` are those of a clone: for depth 1 only HEAD's, as `git clone --depth 1` does. */
export function fetchRequest(kind: PackKind, wants: Wants): string {
  const options = ['thin-pack', 'include-tag', 'ofs-delta', 'no-progress'];
  if (kind === 'depth 1') options.push('deepen 1');
  if (kind === 'blob:none') options.push('filter blob:none');
  const oids = kind === 'depth 1' ? [wants.head] : wants.all;
  const lines = [...options, ...oids.map((oid) => `want ${oid}`), 'done'];
  return line('command=fetch') + capabilities + delimiter + lines.map(line).join('') + flush;
}

export interface Wants {
  readonly head: string;
  readonly all: readonly string[];
}

/** What a clone of this server wants: HEAD, branches and tags. */
export async function wantsOf(contestant: Contestant): Promise<Wants> {
  const refs = await git(['ls-remote', contestant.url, 'HEAD', 'refs/heads/*', 'refs/tags/*'], {
    env: contestant.env,
  });
  const pairs = refs.split('\n').map((text) => text.split('\t'));
  const head = pairs.find(([, name]) => name === 'HEAD')?.[0];
  if (head === undefined) throw new Error(`${contestant.name} advertises no HEAD`);
  const all = pairs
    .filter(([, name]) => name !== undefined && !name.endsWith('^{}'))
    .map(([oid = '']) => oid);
  return { head, all: [...new Set(all)] };
}
