import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf, tryGit } from '#test/git';
import { uploadPackV2 } from '#test/raw-git';
import { temporaryDirectory } from '#test/temporary';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone, configure, everyFilter, generated, objectsIn, shallowFile, traced } from './scene.ts';

/**
 * What a client can ask of a plain directory, answered as git's own upload-pack answers it: the same
 * command is run against the path on disk, which is git alone, and through each door.
 */

let scene: RootScene;
let source: string;

before(async () => {
  [scene, source] = await Promise.all([RootScene.start(), generated()]);
});
after(() => scene[Symbol.asyncDispose]());

for (const door of rootDoors) {
  describe(`upload-pack over ${door.name}`, () => {
    const at = async (path: string): Promise<Remote> => await scene.remote(door, path);
    const copy = async (): Promise<{ readonly path: string; readonly remote: Remote }> => {
      const path = await scene.create(source);
      return { path, remote: await at(path) };
    };
    test('every filter leaves out what git leaves out, and the rest is fetched when it is needed', async () => {
      const { path, remote } = await copy();
      await configure(path, { 'uploadpack.allowFilter': 'true', 'uploadpack.allowAnySHA1InWant': 'true' });
      const work = await newWorkTree();
      await git(['fetch', '--quiet', path, 'main'], { cwd: work });
      await git(['reset', '--quiet', '--hard', 'FETCH_HEAD'], { cwd: work });
      await commitFiles(work, { 'dir/in.txt': 'in\n', 'out.txt': 'out\n', sparse: 'dir/\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/main'], { cwd: work });
      const sparse = await git(['rev-parse', 'main:sparse'], { cwd: path });
      for (const filter of everyFilter(sparse)) {
        const partial = ['--bare', `--filter=${filter}`, '--no-local'];
        const [ours, theirs] = await Promise.all([
          clone(remote, ...partial),
          clone({ url: `file://${path}`, env: {} }, ...partial),
        ]);
        assert.equal(await objectsIn(ours), await objectsIn(theirs), filter);
      }
      const lazy = await clone(remote, '--filter=blob:none');
      assert.equal(
        await git(['log', '-p', '-3', '--format=%s', '--'], as(remote, { cwd: lazy })),
        await git(['log', '-p', '-3', '--format=%s', 'main'], { cwd: path }),
      );
      await git(['fetch', '--quiet', '--refetch', '--filter=tree:0', 'origin'], as(remote, { cwd: lazy }));
    });

    test('filters that the config does not allow are refused in the words of git', async () => {
      const { path, remote } = await copy();
      await configure(path, { 'uploadpack.allowFilter': 'true', 'uploadpackfilter.allow': 'false' });
      await configure(path, {
        'uploadpackfilter.blob:none.allow': 'true',
        'uploadpackfilter.tree.maxDepth': '2',
      });
      const refused = async (filter: string): Promise<string> => {
        const into = join(temporaryDirectory('refused'), 'clone');
        return await gitFails(['clone', '--bare', `--filter=${filter}`, remote.url, into], as(remote));
      };
      await clone(remote, '--bare', '--filter=blob:none');
      await clone(remote, '--bare', '--filter=tree:2');
      assert.match(await refused('blob:limit=10'), /filter 'blob:limit' not supported/);
      assert.match(await refused('combine:blob:none+tree:1'), /filter 'combine' not supported/);
      assert.match(await refused('tree:3'), /tree filter allows max depth 2, but got 3/);
      await configure(path, { 'uploadpackfilter.combine.allow': 'true' });
      assert.match(await refused('combine:blob:none+sparse:oid=main'), /filter 'sparse:oid' not supported/);
    });

    test('a history is cut, deepened and completed as git does it', async () => {
      const { path, remote } = await copy();
      const times = (await git(['log', '--first-parent', '--format=%ct', 'main'], { cwd: path })).split('\n');
      const since = Number(times[Math.floor(times.length / 2)]);
      const steps: readonly (readonly string[])[] = [
        ['--depth=3'],
        ['--deepen=2'],
        ['--shallow-exclude=cut'],
        ['--deepen=1'],
        ['--unshallow'],
        [`--shallow-since=${since}`],
      ];
      await git(['tag', 'cut', 'main~20'], { cwd: path });
      for (const version of ['0', '2']) {
        const options = ['-c', `protocol.version=${version}`];
        const first = ['--bare', '--depth=1', '--no-local', '--branch=main', '--single-branch', '--no-tags'];
        const [ours, theirs] = await Promise.all([
          clone(remote, ...first),
          clone({ url: `file://${path}`, env: {} }, ...first),
        ]);
        for (const step of steps) {
          const fetch = [...options, 'fetch', '--quiet', '--no-tags', ...step, 'origin', 'main'];
          await git(fetch, as(remote, { cwd: ours }));
          await git(fetch, { cwd: theirs });
          assert.equal(shallowFile(ours), shallowFile(theirs), `${step.join(' ')}, version ${version}`);
        }
        await fsck(ours);
      }
    });

    test('objects that no ref shows are given or refused as the config says', async () => {
      const { path, remote } = await copy();
      const tree = await git(['mktree'], { cwd: path, input: '' });
      const identity = ['-c', 'user.name=T', '-c', 'user.email=t@example.org'];
      const hidden = await git([...identity, 'commit-tree', '-m', 'hidden', tree], { cwd: path });
      const lost = await git([...identity, 'commit-tree', '-m', 'lost', tree], { cwd: path });
      await git(['update-ref', 'refs/hidden/x', hidden], { cwd: path });
      const below = await git(['rev-parse', 'main~3'], { cwd: path });
      await configure(path, { 'transfer.hideRefs': 'refs/hidden' });
      /** Which of the three are given in version 0, where a client believes what was advertised. */
      const given = async (): Promise<string> => {
        let answer = '';
        for (const [name, oid] of Object.entries({ below, hidden, lost })) {
          const bare = join(temporaryDirectory('exact'), 'bare.git');
          await git(['init', '--quiet', '--bare', bare]);
          const fetch = ['-c', 'protocol.version=0', 'fetch', '--quiet', remote.url, oid];
          const result = await tryGit(fetch, as(remote, { cwd: bare }));
          if (result.code === 0) answer += `${name} `;
          else
            assert.match(result.stderr, /Server does not allow request for unadvertised object|not our ref/);
        }
        return answer.trim();
      };
      assert.equal(await given(), '');
      await configure(path, { 'uploadpack.allowTipSHA1InWant': 'true' });
      const stateless = door.name === 'http';
      assert.equal(await given(), stateless ? 'below hidden' : 'hidden');
      await configure(path, { 'uploadpack.allowReachableSHA1InWant': 'true' });
      assert.equal(await given(), 'below hidden');
      await configure(path, { 'uploadpack.allowAnySHA1InWant': 'true' });
      assert.equal(await given(), 'below hidden lost');
      await configure(path, { 'uploadpack.allowTipSHA1InWant': 'false' });
      assert.equal(await given(), 'below hidden', 'the last line decides');
      const missing = await gitFails(
        ['fetch', remote.url, '12'.repeat(20)],
        as(remote, { cwd: await newWorkTree() }),
      );
      assert.match(missing, /upload-pack: not our ref 1212/);
    });

    test('refs are wanted by name, and what is common is found without fetching', async () => {
      const { path, remote } = await copy();
      await configure(path, { 'uploadpack.allowRefInWant': 'true' });
      const bare = await clone(remote, '--bare');
      const work = await newWorkTree();
      const oid = await commitFiles(work, { 'a.txt': 'a\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/new'], { cwd: work });
      const lines = await traced(['fetch', 'origin', 'refs/heads/new:refs/heads/new'], remote, bare);
      assert.ok(lines.some((line) => /> want-ref refs\/heads\/new/.test(line)));
      assert.equal(await git(['rev-parse', 'refs/heads/new'], { cwd: bare }), oid);
      await commitFiles(work, { 'b.txt': 'b\n' });
      await git(['fetch', '--quiet', path, 'main:refs/heads/theirs'], { cwd: work });
      const tips = ['--negotiation-tip=theirs', '--negotiation-tip=main'];
      const negotiate = ['fetch', '--quiet', '--negotiate-only', ...tips];
      const common = await git([...negotiate, remote.url], as(remote, { cwd: work }));
      assert.equal(common, await git([...negotiate, `file://${path}`], { cwd: work }));
      assert.ok(common.includes(oid));
      const ask = (...names: readonly string[]): Promise<string[]> =>
        uploadPackV2(
          remote,
          'command=fetch',
          '0001',
          ...names.map((name) => `want-ref ${name}`),
          'done',
          '0000',
        );
      assert.deepEqual(await ask('refs/heads/none'), ['ERR unknown ref refs/heads/none']);
      assert.deepEqual(await ask('refs/heads/new', 'refs/heads/new'), [
        'ERR duplicate want-ref refs/heads/new',
      ]);
    });

    test('object-info, bundle-uri, session-id and promisor-remote are there where the config asks for them', async () => {
      const { path, remote } = await copy();
      const hello = await uploadPackV2(remote);
      assert.ok(!hello.some((line) => /^(?:object-info|bundle-uri|session-id|promisor-remote)/.test(line)));
      const blob = await git(['hash-object', '-w', '--stdin'], { cwd: path, input: 'twelve bytes' });
      const info = ['command=object-info', '0001', 'size', `oid ${blob}`, `oid ${'12'.repeat(20)}`, '0000'];
      assert.deepEqual(await uploadPackV2(remote, ...info), ["ERR invalid command 'object-info'"]);
      await configure(path, {
        'transfer.advertiseObjectInfo': 'true',
        'transfer.advertiseSID': 'true',
        'uploadpack.advertiseBundleURIs': 'true',
        'bundle.version': '1',
        'bundle.mode': 'all',
        'bundle.one.uri': 'https://example.org/one.bundle',
        'promisor.advertise': 'true',
        'promisor.sendFields': 'partialCloneFilter, token',
        'remote.lop.promisor': 'true',
        'remote.lop.url': 'https://example.org/a,b;c d',
        'remote.lop.partialCloneFilter': 'blob:none',
      });
      const offered = await uploadPackV2(remote);
      assert.ok(offered.includes('object-info=size') && offered.includes('bundle-uri'));
      assert.ok(offered.some((line) => /^session-id=[!-~]+$/.test(line)));
      assert.ok(
        offered.includes(
          'promisor-remote=name=lop,url=https://example.org/a%2cb%3bc%20d,partialCloneFilter=blob:none',
        ),
      );
      assert.deepEqual(await uploadPackV2(remote, ...info), [
        'size',
        `${blob} 12`,
        `${'12'.repeat(20)} `,
        '0000',
      ]);
      assert.deepEqual(await uploadPackV2(remote, 'command=bundle-uri', '0000'), [
        'bundle.version=1',
        'bundle.mode=all',
        'bundle.one.uri=https://example.org/one.bundle',
        '0000',
      ]);
      assert.deepEqual(await uploadPackV2(remote, 'command=bundle-uri', '0001', 'more', '0000'), [
        "ERR bundle-uri: unexpected argument: 'more'",
      ]);
    });

    test('requests that git refuses are refused in its words', async () => {
      const { path, remote } = await copy();
      const tip = await git(['rev-parse', 'main'], { cwd: path });
      const fetch = (...lines: readonly string[]): readonly string[] => [
        'command=fetch',
        '0001',
        ...lines,
        '0000',
      ];
      for (const [request, error] of [
        [['command=frotz', '0000'], "invalid command 'frotz'"],
        [
          ['command=fetch', 'command=ls-refs', '0000'],
          "command 'ls-refs' requested after already requesting command 'fetch'",
        ],
        [['agent=x', '0000'], 'no command requested'],
        [['command=fetch', 'frotz', '0000'], "unknown capability 'frotz'"],
        [
          ['command=fetch', 'object-format=sha256', '0000'],
          'mismatched object format: server sha1; client sha256',
        ],
        [['command=fetch', 'object-format=md5', '0000'], "unknown object format 'md5'"],
        [['command=ls-refs', '0001', 'frotz', '0000'], "unexpected line: 'frotz'"],
        [['command=ls-refs', '0001', '0001'], 'expected flush after ls-refs arguments'],
        [fetch('want frotz'), "git upload-pack: protocol error, expected to get oid, not 'want frotz'"],
        [fetch(`want ${'12'.repeat(20)}`), `upload-pack: not our ref ${'12'.repeat(20)}`],
        [fetch(`want ${tip}`, 'filter blob:none'), "unexpected line: 'filter blob:none'"],
        [fetch(`want ${tip}`, 'deepen 0'), 'Invalid deepen: deepen 0'],
        [
          fetch(`want ${tip}`, 'deepen-not nothing'),
          'git upload-pack: deepen-not is not a ref: deepen-not nothing',
        ],
      ] as const)
        assert.deepEqual(await uploadPackV2(remote, ...request), [`ERR ${error}`]);
    });

    test('blobs are left to a URI where the client asks for it', async () => {
      // Git leaves out only what is not in a pack.
      const path = await scene.create();
      const remote = await at(path);
      const work = await newWorkTree();
      await commitFiles(work, { a: 'a\n', b: 'b\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/main'], { cwd: work });
      const blob = await git(['rev-parse', 'HEAD:b'], { cwd: work });
      await configure(path, {
        'uploadpack.allowSidebandAll': 'true',
        'uploadpack.blobPackfileUri': `${blob} ${'ab'.repeat(20)} https://example.org/blob.pack`,
      });
      assert.ok(
        (await uploadPackV2(remote)).some((line) => /^fetch=.* sideband-all packfile-uris$/.test(line)),
      );
      const tip = await git(['rev-parse', 'main'], { cwd: path });
      const ask = [
        'command=fetch',
        '0001',
        'sideband-all',
        'packfile-uris https',
        'no-progress',
        `want ${tip}`,
        'done',
        '0000',
      ];
      const answer = await uploadPackV2(remote, ...ask);
      assert.deepEqual(answer.slice(0, 4), [
        '\u0001packfile-uris',
        `\u0001${'ab'.repeat(20)} https://example.org/blob.pack`,
        '0001',
        '\u0001packfile',
      ]);
      assert.ok((answer[4] ?? '').startsWith('\u0001PACK'));
    });

    test('SHA-256, borrowed objects and a history that ends on the server, too', async () => {
      const sha256 = scene.newPath();
      mkdirSync(dirname(sha256), { recursive: true });
      const work = join(temporaryDirectory('sha256'), 'work');
      await git(['init', '--quiet', '--object-format=sha256', '--initial-branch=main', work]);
      await commitFiles(work, { a: 'a\n' });
      const second = await commitFiles(work, { a: 'b\n' });
      await git(['clone', '--quiet', '--bare', work, sha256]);
      for (const version of ['0', '2']) {
        const path = await clone(await at(sha256), '-c', `protocol.version=${version}`);
        assert.equal(await git(['rev-parse', 'HEAD'], { cwd: path }), second);
      }
      // A chain of alternates, one of them relative.
      const lender = await scene.create(source);
      const middle = await scene.create();
      const borrower = await scene.create();
      writeFileSync(join(middle, 'objects/info/alternates'), `${join(lender, 'objects')}\n`);
      writeFileSync(
        join(borrower, 'objects/info/alternates'),
        `# a comment\n../../${middle.split('/').at(-1)}/objects\n`,
      );
      await git(['update-ref', 'refs/heads/main', await git(['rev-parse', 'main'], { cwd: lender })], {
        cwd: borrower,
      });
      const copied = await clone(await at(borrower), '--mirror');
      assert.equal(await refsOf(copied), await refsOf(borrower));
      await fsck(copied);
      const shallow = scene.newPath();
      await git(['clone', '--quiet', '--bare', '--depth=4', `file://${source}`, shallow]);
      for (const version of ['0', '2']) {
        const path = await clone(await at(shallow), '-c', `protocol.version=${version}`, '--bare');
        assert.equal(
          readFileSync(join(path, 'shallow'), 'latin1').split('\n').sort().join(),
          readFileSync(join(shallow, 'shallow'), 'latin1').split('\n').sort().join(),
        );
        await fsck(path);
      }
    });

    test('what is corrupt is said so, with what git says of it', async () => {
      const path = await scene.create();
      const work = await newWorkTree();
      await commitFiles(work, { a: 'one\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/main'], { cwd: work });
      const remote = await at(path);
      const blob = await git(['rev-parse', 'HEAD:a'], { cwd: work });
      rmSync(join(path, 'objects', blob.slice(0, 2), blob.slice(2)), { force: true });
      const into = join(temporaryDirectory('broken'), 'clone');
      const said = await gitFails(['clone', remote.url, into], as(remote));
      assert.match(said, new RegExp(`remote: (?:fatal|error): .*${blob}`));
      assert.match(said, /remote: aborting due to possible repository corruption on the remote side\./);
    });

    test('commits that were pruned meanwhile are not taken for common ones', async () => {
      const path = await scene.create();
      const work = await newWorkTree();
      await commitFiles(work, { a: '1\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/main'], { cwd: work });
      await git(['tag', 'kept'], { cwd: work });
      await commitFiles(work, { a: '2\n' });
      await git(['push', '--quiet', path, 'HEAD:refs/heads/main'], { cwd: work });
      await git(['gc', '--quiet', '--prune=now'], { cwd: path });
      const remote = await at(path);
      const fresh = await clone(remote);
      await git(['reset', '--quiet', '--hard', 'kept'], { cwd: work });
      await commitFiles(work, { a: '3\n' });
      await git(['push', '--quiet', '--force', path, 'HEAD:refs/heads/main'], { cwd: work });
      await git(['reflog', 'expire', '--all', '--expire=now'], { cwd: path });
      await git(['gc', '--quiet', '--prune=now'], { cwd: path });
      await git(['fetch', '--quiet', 'origin'], as(remote, { cwd: fresh }));
      await fsck(fresh);
    });
  });
}
