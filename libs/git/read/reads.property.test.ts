import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { ObjectFormat } from '#base';
import { randomHistory } from '#test/random-history';
import { tryGit } from '#test/git';
import { testPools } from '#test/pools';
import type { CommitFields, DiffFile, RepositoryReader, TreeEntry } from '../reader.ts';

/** What git itself prints in a repository. */
class Oracle {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Standard output, whatever the exit code. */
  async bytes(...args: readonly string[]): Promise<Buffer> {
    const env = { GIT_LITERAL_PATHSPECS: '1' };
    return (await tryGit(args, { cwd: this.path, env })).stdout;
  }

  async lines(...args: readonly string[]): Promise<string[]> {
    const printed = (await this.bytes(...args)).toString();
    return printed === '' ? [] : printed.replace(/\n$/, '').split('\n');
  }

  async text(...args: readonly string[]): Promise<string> {
    return (await this.lines(...args)).join('\n');
  }

  allCommits(): Promise<string[]> {
    return this.lines('rev-list', '--all');
  }
}

const seeds = fc.integer({ min: 0, max: 1_000_000 });
const formats = fc.constantFrom<ObjectFormat>('sha1', 'sha1', 'sha256');

/** Runs `check` on repositories with random histories. */
async function onRandomHistories(
  runs: number,
  check: (reader: RepositoryReader, oracle: Oracle) => Promise<void>,
  examples: [seed: number, format: ObjectFormat][] = [],
): Promise<void> {
  await using node = testPools();
  await fc.assert(
    fc.asyncProperty(seeds, formats, async (seed, format) => {
      const path = await randomHistory(seed, { format });
      await check(node.agent(path), new Oracle(path));
    }),
    { numRuns: runs, examples },
  );
}

function zone(offsetMinutes: number): string {
  const minutes = Math.abs(offsetMinutes);
  const digits = String(Math.floor(minutes / 60) * 100 + (minutes % 60)).padStart(4, '0');
  return `${offsetMinutes < 0 ? '-' : '+'}${digits}`;
}

function asGitPrints(commit: CommitFields): string[] {
  const { oid, treeOid, parents, author, committer, summary, body } = commit;
  const people = [author, committer].flatMap(({ name, email, timestampMs, offsetMinutes }) => [
    name,
    email,
    `${timestampMs / 1000} ${zone(offsetMinutes)}`,
  ]);
  return [oid, treeOid, parents.join(' '), ...people, summary, body];
}

async function everyFile(reader: RepositoryReader, commit: string): Promise<TreeEntry[]> {
  const found: TreeEntry[] = [];
  const visit = async (path: string): Promise<void> => {
    for (const entry of await reader.tree(commit, path)) {
      found.push(entry);
      if (entry.kind === 'tree') await visit(entry.path);
    }
  };
  await visit('');
  return found;
}

/**
 * All commits are listed, and the lists compared: what `rev-list --left-right` counts without a
 * commit-graph depends on the commit dates.
 */
async function compareRelations(reader: RepositoryReader, oracle: Oracle): Promise<void> {
  const commits = (await oracle.allCommits()).slice(0, 4);
  const histories = new Map<string, ReadonlySet<string>>();
  for (const commit of commits) histories.set(commit, new Set(await oracle.lines('rev-list', commit)));
  const relations = [];
  for (const one of commits) {
    for (const other of commits) {
      const [ours, theirs] = [histories.get(one) ?? new Set(), histories.get(other) ?? new Set()];
      const { ahead, behind } = await reader.aheadBehind(one, other);
      assert.deepEqual(
        { ahead, behind },
        { ahead: ours.difference(theirs).size, behind: theirs.difference(ours).size },
      );
      const bases = await oracle.lines('merge-base', '--all', one, other);
      const base = await reader.mergeBase(one, other);
      assert.ok(base === undefined ? bases.length === 0 : bases.includes(base));
      relations.push({ one, other, ahead, behind, base });
    }
  }
  await oracle.bytes('commit-graph', 'write', '--reachable');
  await using node = testPools();
  const again = node.agent(oracle.path);
  for (const { one, other, ahead, behind, base } of relations) {
    assert.deepEqual(await again.aheadBehind(one, other), { ahead, behind });
    assert.equal(await again.mergeBase(one, other), base);
  }
}

describe('reads, compared with what git prints', () => {
  test('refs, HEAD and revisions mean what git says', async () => {
    await onRandomHistories(4, async (reader, oracle) => {
      const printed = await oracle.lines('for-each-ref', '--format=%(refname) %(objectname) %(*objectname)');
      const refs = await reader.refs('');
      // %(*objectname) peels once, a ref finally.
      const peeled = await Promise.all(
        refs.map(
          async ({ name, peeled: oid }) => [oid, await oracle.text('rev-parse', `${name}^{}`)] as const,
        ),
      );
      assert.deepEqual(
        refs.map(({ name, oid }) => `${name} ${oid}`),
        printed.map((line) => line.split(' ').slice(0, 2).join(' ')),
      );
      for (const [oid, expected] of peeled) if (oid !== undefined) assert.equal(oid, expected);
      assert.deepEqual(
        (await reader.refs('refs/tags/')).map((ref) => ref.name),
        await oracle.lines('for-each-ref', '--format=%(refname)', 'refs/tags'),
      );
      assert.equal((await reader.head()).oid, await oracle.text('rev-parse', 'HEAD'));

      const [some = ''] = await oracle.allCommits();
      const revisions = `
        HEAD @ main heads/main topic nested/branch refs/heads/nested/branch v1 light none none~1 refs/heads
        v1^{} v1^{commit} v1-of-tag v1-of-tag^{commit} v1-of-tag^{tag} v1^{tree} v1^{blob} v1~1 HEAD^{object}
        HEAD~1 HEAD~3 HEAD^ HEAD^2 HEAD^0 HEAD^3 HEAD~2^2~1 HEAD~40 main^^ HEAD^{none} HEAD~x ${'f'.repeat(10)}
        HEAD: HEAD:README HEAD:src HEAD:src/deep/other HEAD:thing main~1:thing/inner v1:none HEAD^{tree}:src
        ${some} ${some}~1 ${some.slice(0, 12)} v1-7-g${some.slice(0, 10)} ${some.toUpperCase()}
      `
        .trim()
        .split(/\s+/);
      for (const revision of revisions) {
        const expected = await oracle.text('rev-parse', '--verify', '--quiet', '--end-of-options', revision);
        const resolved = await reader.resolve(revision);
        const lines = expected.split('\n');
        assert.equal(resolved?.oid ?? '', lines.at(-1), revision);
        if (resolved === undefined) continue;
        const kind = await oracle.text('cat-file', '-t', resolved.oid);
        if (kind !== '') assert.equal(resolved.kind, kind, revision);
        if (/^[a-z1/-]+$/i.test(revision) && resolved.ref !== undefined) {
          const name = await oracle.text('rev-parse', '--symbolic-full-name', revision);
          assert.equal(resolved.ref, name, revision);
        }
      }
    });
  });

  test('commits have the fields that git prints', async () => {
    const format = ['%H', '%T', '%P', '%an', '%ae', '%ad', '%cn', '%ce', '%cd', '%s', '%b'].join('%x00');
    await onRandomHistories(6, async (reader, oracle) => {
      const printed = await oracle.bytes('log', '--all', '-z', '--date=raw', `--format=${format}%x00`);
      const fields = printed.toString().split('\0');
      let compared = 0;
      while (fields.length >= 12) {
        const expected = fields.splice(0, 12).slice(0, 11);
        expected[10] = expected[10]?.trimEnd() ?? '';
        const commit = await reader.commit(expected[0] ?? '');
        // git strips quotes and other marks around a name when it prints it.
        assert.deepEqual(asGitPrints(commit), expected);
        compared += 1;
      }
      assert.ok(compared > 5);
    });
  });

  test('trees, entries and blobs are those that git lists', async () => {
    await onRandomHistories(5, async (reader, oracle) => {
      for (const commit of (await oracle.allCommits()).slice(0, 5)) {
        const printed = (await oracle.bytes('ls-tree', '-r', '-t', '-z', '--full-tree', commit)).toString();
        const entries = await everyFile(reader, commit);
        assert.deepEqual(
          entries.map(({ mode, oid, path }) => `${mode.toString(8).padStart(6, '0')} ${oid}\t${path}`),
          printed
            .split('\0')
            .slice(0, -1)
            .map((line) => line.replace(/ (?:blob|tree|commit) /, ' ')),
        );
        for (const entry of entries) {
          assert.deepEqual(await reader.entry(commit, entry.path), entry);
          if (entry.kind === 'tree' || entry.kind === 'submodule') continue;
          const expected = await oracle.bytes('cat-file', 'blob', entry.oid);
          const chunks = await Array.fromAsync(reader.blobContent(entry.oid));
          assert.ok(Buffer.concat(chunks).equals(expected));
          assert.deepEqual(await reader.blob(entry.oid), {
            oid: entry.oid,
            sizeBytes: expected.length,
            binary: expected.subarray(0, 8000).includes(0),
          });
        }
        assert.equal(await reader.entry(commit, 'no/such/path'), undefined);
        await assert.rejects(reader.tree(commit, 'no/such/path'), { code: 'not_found' });
      }
    });
  });

  test('history is what git log lists, page by page, of everything or of a path', async () => {
    await onRandomHistories(5, async (reader, oracle) => {
      const from = await oracle.text('rev-parse', 'HEAD');
      const expected = await oracle.lines('rev-list', from);
      const pages: string[] = [];
      for (let skip = 0; ; skip += 4) {
        const page = await reader.history({ from, skip, limit: 4 });
        pages.push(...page.commits.map(({ oid }) => oid));
        if (!page.hasMore) break;
      }
      assert.deepEqual(pages, expected);
      const notIn = expected[Math.trunc(expected.length / 2)];
      assert.ok(notIn !== undefined);
      const since = await reader.history({ from, notIn, skip: 0, limit: 50 });
      assert.deepEqual(
        since.commits.map(({ oid }) => oid),
        await oracle.lines('rev-list', from, `^${notIn}`),
      );
      const entries = await everyFile(reader, from);
      const odd = ['no such path', 'thing', ':(top)magic', '*?[glob]'];
      for (const path of [...entries.map((entry) => entry.path), ...odd]) {
        // What is no UTF-8 cannot be given to the test's own git as an argument.
        if (path.includes('�')) continue;
        const { commits, hasMore } = await reader.history({ from, path, skip: 1, limit: 50 });
        const listed = await oracle.lines('log', '--format=%H', '--skip=1', from, '--', path);
        assert.deepEqual(
          commits.map(({ oid }) => oid),
          listed,
          path,
        );
        assert.equal(hasMore, false);
      }
    });
  });

  test('the last commit of every entry is the one that git log -1 names', async () => {
    await onRandomHistories(12, async (reader, oracle) => {
      const from = await oracle.text('rev-parse', 'HEAD');
      let compared = 0;
      for (const directory of ['', 'src', 'src/deep', 'with space']) {
        const entry = await reader.entry(from, directory);
        if (entry?.kind !== 'tree') {
          await assert.rejects(reader.lastCommits(from, directory), { code: 'not_found' });
          continue;
        }
        const found = await reader.lastCommits(from, directory);
        for (const { name, path } of await reader.tree(from, directory)) {
          if (path.includes('�')) assert.ok(found.has(name));
          else {
            assert.equal(
              found.get(name)?.oid,
              await oracle.text('log', '-1', '--format=%H', from, '--', path),
              path,
            );
          }
          compared += 1;
        }
      }
      assert.ok(compared > 0 || (await reader.tree(from, '')).length === 0);
    });
  });

  test('ahead, behind and merge bases are those of git, with and without a commit-graph', async () => {
    await onRandomHistories(6, compareRelations);
  });

  test('commits that claim to be older than their ancestors are not counted twice', async () => {
    await using node = testPools();
    const path = await randomHistory(334_104, { format: 'sha1' });
    await compareRelations(node.agent(path), new Oracle(path));
  });
});

/** Applies hunks to a text as `git apply` would, checking every line that is there to be checked. */
function applied(file: DiffFile, before: string): string {
  const oldLines = before.split('\n');
  if (oldLines.at(-1) === '') oldLines.pop();
  const result: string[] = [];
  let at = 0;
  let endsWithNewline = before === '' || before.endsWith('\n');
  for (const { lines } of file.hunks) {
    const start = (lines.find(({ oldLine }) => oldLine !== undefined)?.oldLine ?? at + 1) - 1;
    result.push(...oldLines.slice(at, start));
    at = start;
    let previous: string | undefined;
    for (const { origin, text, newLine } of lines) {
      if (origin === 'no-newline') {
        if (previous !== 'removed') endsWithNewline = false;
      } else if (origin !== 'added') {
        assert.equal(oldLines[at], text);
        at += 1;
        if (previous === 'removed' && origin === 'context') endsWithNewline = before.endsWith('\n');
      }
      if (origin === 'added' || origin === 'context') {
        result.push(text);
        assert.equal(newLine, result.length);
        endsWithNewline = origin === 'added' ? true : at < oldLines.length || before.endsWith('\n');
      }
      previous = origin;
    }
  }
  // What no hunk reaches ends as it did.
  if (at < oldLines.length) endsWithNewline = before.endsWith('\n');
  result.push(...oldLines.slice(at));
  return result.length === 0 ? '' : result.join('\n') + (endsWithNewline ? '\n' : '');
}

const letters: Readonly<Record<string, DiffFile['status']>> = {
  A: 'added',
  D: 'deleted',
  M: 'modified',
  T: 'typechange',
  R: 'renamed',
};

/** A file without a line feed at its end is. */
const editedFarFromItsEnd: [number, ObjectFormat][] = [[449_339, 'sha1']];

describe('diffs, compared with what git prints', () => {
  test('files, counts and lines are those of git, and lead from one content to the other', async () => {
    await onRandomHistories(
      8,
      async (reader, oracle) => {
        const commits = await oracle.allCommits();
        let applications = 0;
        for (let index = 0; index + 1 < Math.min(commits.length, 8); index += 1) {
          const [newOid = '', oldOid = ''] = [commits[index], commits[index + 1 + (index % 3)] ?? commits[0]];
          const diff = await reader.diff({ oldOid, newOid });
          const raw = await oracle.bytes(
            'diff-tree',
            '-r',
            '-M',
            '--raw',
            '--no-abbrev',
            '-z',
            oldOid,
            newOid,
          );
          const fields = raw.toString().split('\0').slice(0, -1);
          const expected: string[] = [];
          while (fields.length > 0) {
            const [oldMode = '', newMode = '', , , letter = ''] = fields.shift()?.slice(1).split(' ') ?? [];
            const oldPath = fields.shift() ?? '';
            const newPath = letter.startsWith('R') ? (fields.shift() ?? '') : oldPath;
            expected.push([letters[letter.charAt(0)], oldMode, newMode, oldPath, newPath].join(' '));
          }
          const octal = (mode: number): string => mode.toString(8).padStart(6, '0');
          assert.deepEqual(
            diff.files.map((file) =>
              [file.status, octal(file.oldMode), octal(file.newMode), file.oldPath, file.newPath].join(' '),
            ),
            expected,
          );
          const short = await oracle.text('diff-tree', '-r', '-M', '--shortstat', oldOid, newOid);
          const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(short)?.[1] ?? 0);
          assert.deepEqual(diff.stats, {
            files: count('file'),
            addedLines: count('insertion'),
            removedLines: count('deletion'),
          });
          assert.equal(diff.omittedFiles, 0);
          for (const file of diff.files) {
            if (file.binary || file.oldPath.includes('�') || file.newPath.includes('�')) continue;
            if (file.status === 'typechange' || [file.oldMode, file.newMode].includes(0o160000)) continue;
            const content = async (commit: string, path: string, mode: number): Promise<string> =>
              mode === 0 ? '' : (await oracle.bytes('cat-file', 'blob', `${commit}:${path}`)).toString();
            const before = await content(oldOid, file.oldPath, file.oldMode);
            const after = await content(newOid, file.newPath, file.newMode);
            assert.equal(applied(file, before), after, file.newPath);
            applications += 1;
          }
        }
        assert.ok(applications > 0 || commits.length < 3);
      },
      editedFarFromItsEnd,
    );
  });

  test('the first commit is compared with nothing, and a path leaves the rest out', async () => {
    await onRandomHistories(4, async (reader, oracle) => {
      const root = (await oracle.lines('rev-list', '--max-parents=0', '--all')).at(-1) ?? '';
      const diff = await reader.diff({ newOid: root });
      const files = (await everyFile(reader, root)).filter(({ kind }) => kind !== 'tree');
      assert.deepEqual(
        diff.files.map(({ newPath, status }) => [newPath, status]),
        files.map(({ path }) => [path, 'added']),
      );
      for (const { path } of files) {
        const one = await reader.diff({ newOid: root, path });
        assert.ok(one.files.some(({ newPath }) => newPath === path));
        assert.ok(one.files.every(({ newPath }) => path.includes('�') || newPath === path));
      }
    });
  });
});
