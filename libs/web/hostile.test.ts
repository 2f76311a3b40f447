import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { anonymous } from '#accounts';
import type { CommitFields, Signature, TreeEntry } from '#git';
import { newestOid, Site } from '#test/web-site';

suite('hostile names and messages', () => {
  test('stay text on every page', async () => {
    await using site = new Site();
    const agent = await site.open();
    const oid = newestOid;
    const hostile = `"'><owned onmouseover="owned()">&amp;`;
    const someone: Signature = { name: hostile, email: hostile, timestampMs: 0, offsetMinutes: 0 };
    const commit: CommitFields = {
      oid,
      treeOid: oid,
      parents: [oid],
      author: someone,
      committer: { ...someone, name: `${hostile}2` },
      summary: hostile,
      body: hostile,
    };
    const ref = { name: `refs/heads/${hostile}`, oid };
    const entries: readonly TreeEntry[] = [
      { name: hostile, path: hostile, oid: 'b'.repeat(40), mode: 0o100644, kind: 'file' },
      { name: `${hostile}d`, path: `${hostile}d`, oid: 'b'.repeat(40), mode: 0o040000, kind: 'tree' },
    ];
    const file = (await agent.diff()).files[0];
    assert.ok(file !== undefined);
    Object.assign(agent, {
      branch: ref.name,
      refs: async (prefix: string) =>
        [ref, { name: `refs/tags/${hostile}`, oid, peeled: oid }].filter(({ name }) =>
          name.startsWith(prefix),
        ),
      commit: async () => commit,
      tree: async () => entries,
      entry: async (_: string, path: string) => entries.find((entry) => entry.path === path),
      history: async () => ({ commits: [commit], hasMore: true }),
      diff: async () => ({
        files: [
          {
            ...file,
            status: 'renamed',
            oldPath: hostile,
            newPath: hostile,
            hunks: [{ header: hostile, lines: [{ origin: 'added', newLine: 1, text: hostile }] }],
          },
        ],
        stats: { files: 1, addedLines: 1, removedLines: 0 },
        omittedFiles: 0,
      }),
      resolve: async (revision: string) => {
        const kind = revision.startsWith('refs/tags/') ? 'tag' : 'commit';
        if ([`refs/heads/${hostile}`, `refs/tags/${hostile}`].includes(revision))
          return { oid, kind, ref: revision };
        return revision === oid ? { oid, kind } : undefined;
      },
      tag: async () => ({
        oid,
        name: hostile,
        tagger: someone,
        summary: hostile,
        body: hostile,
        targetOid: oid,
        targetKind: 'commit',
      }),
      *blobContent() {
        yield Buffer.from(hostile);
      },
    });
    const { record } = await site.repositories.open(anonymous, 'ada', 'hello', 'read');
    await site.accounts.repositories.update(anonymous, record.id, { description: hostile });
    const name = encodeURIComponent(hostile);
    for (const path of [
      '/',
      '/ada',
      `/login?return=/${name}`,
      `/${name}`,
      `/ada/${name}`,
      '/ada/hello',
      `/ada/hello/tree/${name}`,
      `/ada/hello/blob/${name}/${name}`,
      `/ada/hello/blob/${name}/${name}?plain`,
      `/ada/hello/blob/${name}/${name}x`,
      `/ada/hello/history/${name}/${name}`,
      `/ada/hello/commit/${oid}`,
      '/ada/hello/refs',
      `/ada/hello/tag/${name}`,
      `/ada/hello/compare?base=${name}`,
      `/ada/hello/compare/${name}...${oid}`,
      `/ada/hello/compare/${name}...${name}x`,
    ]) {
      const response = await site.get(path);
      const text = await response.text();
      assert.ok(response.status < 500, `${path}: ${response.status}`);
      assert.doesNotMatch(text, /<owned|"owned\(\)/, path);
      if (path.startsWith('/ada/hello')) assert.match(text, /(?:&lt;|&#60;)owned/, path);
    }
  });
});
