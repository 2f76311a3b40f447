import type { Oid } from '#base';
import type { ObjectReader } from '#git';
import { tryGit } from './git.ts';

/** An `ObjectReader` that starts a `git` for every question: for tests of the storage side alone. */
export function plainObjects(gitDir: string): ObjectReader {
  const ask = async (format: string, names: readonly string[]): Promise<string[]> => {
    if (names.length === 0) return [];
    const result = await tryGit(['--git-dir', gitDir, 'cat-file', `--batch-check=${format}`], {
      input: `${names.join('\n')}\n`,
    });
    return result.stdout.toString().trimEnd().split('\n');
  };
  const header: ObjectReader['header'] = async (oid) => {
    const [kind, size] = (await ask('%(objecttype) %(objectsize)', [oid]))[0]?.split(' ') ?? [];
    if (kind !== 'commit' && kind !== 'tree' && kind !== 'blob' && kind !== 'tag') return undefined;
    return { kind, sizeBytes: Number(size) };
  };
  return {
    header,
    async read(oid: Oid) {
      const kind = (await header(oid))?.kind;
      if (kind === undefined) return undefined;
      return { kind, bytes: (await tryGit(['--git-dir', gitDir, 'cat-file', kind, oid])).stdout };
    },
    async existing(oids: readonly Oid[]) {
      const lines = await ask('%(objectname)', oids);
      return new Set(lines.filter((line) => !line.endsWith(' missing')));
    },
    async commitNode(oid: Oid) {
      const shown = await tryGit(['--git-dir', gitDir, 'log', '-1', '--format=%H %ct %P', oid]);
      if (shown.code !== 0) return undefined;
      const [commitOid = '', time, ...parents] = shown.stdout.toString().trim().split(' ');
      return {
        oid: commitOid,
        committerTimeSeconds: Number(time),
        parents: parents.filter((parent) => parent !== ''),
      };
    },
    async peelTag(oid: Oid) {
      if ((await header(oid))?.kind !== 'tag') return undefined;
      const [peeled] = await ask('%(objectname)', [`${oid}^{}`]);
      return peeled?.endsWith(' missing') === true ? undefined : peeled;
    },
  };
}
