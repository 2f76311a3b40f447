import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { commitFiles, git, newWorkTree, tryGit } from '#test/git';
import { PlainRepository } from '#test/plain-repository';
import { temporaryDirectory } from '#test/temporary';
import { uploadPackAdvertisement } from './advertisement.ts';
import { advertiseReceivePack } from './receive-pack.ts';
import { advertiseUploadPack } from './upload-pack.ts';
import { MemoryRepository, oidOf, snapshotOf } from './testing/memory-repository.ts';
import { converse, exactTranscript, transcript } from './testing/transcript.ts';

/** Repositories in every state that an advertisement shows, as bare repositories on disk. */
const states: Readonly<Record<string, (bare: string, work: string) => Promise<Partial<PlainRepository>>>> = {
  'branches and tags, also of tags and trees': async (bare, work) => {
    await git(['tag', '-a', '-m', 'one', 'v1'], { cwd: work });
    await git(['tag', '-a', '-m', 'of a tag', 'v1-again', 'v1'], { cwd: work });
    await git(['tag', '-a', '-m', 'of a tree', 'tree', 'HEAD^{tree}'], { cwd: work });
    await git(['tag', 'light'], { cwd: work });
    await git(['branch', 'ünïcödé/文件'], { cwd: work });
    await git(['push', '--quiet', '--mirror', bare], { cwd: work });
    return {};
  },
  'a HEAD that is not born yet': async (bare, work) => {
    await git(['push', '--quiet', bare, 'main:other'], { cwd: work });
    return {};
  },
  'a detached HEAD': async (bare, work) => {
    await git(['push', '--quiet', bare, 'main:refs/heads/main', 'main:refs/heads/other'], { cwd: work });
    await git(['update-ref', '--no-deref', 'HEAD', 'refs/heads/other'], { cwd: bare });
    return {};
  },
  'symbolic refs besides HEAD': async (bare, work) => {
    await git(['push', '--quiet', bare, 'main'], { cwd: work });
    await git(['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/heads/main'], { cwd: bare });
    return {};
  },
  'hidden refs': async (bare, work) => {
    await git(['push', '--quiet', bare, 'main', 'main:refs/pull/1/head', 'main:refs/pull/2/head'], {
      cwd: work,
    });
    await git(['push', '--quiet', bare, 'main:refs/pulls/x', 'main:refs/heads/zz'], { cwd: work });
    const hiddenRefs = ['refs/pull/', '!refs/pull/2', 'refs/heads/zz'];
    for (const pattern of hiddenRefs)
      await git(['config', '--add', 'transfer.hideRefs', pattern], { cwd: bare });
    const plain = new PlainRepository(bare);
    return {
      uploadPolicy: { ...plain.uploadPolicy, hiddenRefs },
      receivePolicy: { ...plain.receivePolicy, hiddenRefs },
    };
  },
  'a hidden HEAD': async (bare, work) => {
    await git(['push', '--quiet', bare, 'main', 'main:other'], { cwd: work });
    const hiddenRefs = ['HEAD'];
    await git(['config', 'transfer.hideRefs', 'HEAD'], { cwd: bare });
    const plain = new PlainRepository(bare);
    return {
      uploadPolicy: { ...plain.uploadPolicy, hiddenRefs },
      receivePolicy: { ...plain.receivePolicy, hiddenRefs },
    };
  },
  'a history that is shallow': async (bare, work) => {
    for (let index = 0; index < 3; index += 1) await commitFiles(work, { file: `${index}` });
    rmSync(bare, { recursive: true });
    await git(['clone', '--quiet', '--bare', '--depth=1', `file://${work}`, bare]);
    return {};
  },
};

async function repositoryIn(state: string): Promise<PlainRepository> {
  const bare = join(temporaryDirectory('advertisement'), 'bare.git');
  await git(['init', '--quiet', '--bare', bare]);
  const change = await states[state]?.(bare, await newWorkTree());
  return Object.assign(new PlainRepository(bare), change);
}

/** What real git sends, and what we send, without what is meant to differ. */
function comparable(bytes: Buffer): string[] {
  const meantToDiffer = / (agent=\S+|filter|push-options)(?= |$)/gm;
  return exactTranscript(bytes).map((line) => line.replaceAll(meantToDiffer, ''));
}

async function realAdvertisement(
  service: string,
  repository: PlainRepository,
  version: number,
  stateless: boolean,
): Promise<Buffer> {
  const mode = stateless ? ['--http-backend-info-refs'] : [];
  const options = { input: '0000', env: { GIT_PROTOCOL: `version=${version}` } };
  const result = await tryGit([service, ...mode, repository.path], options);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

for (const state of Object.keys(states)) {
  describe(`an advertisement of ${state} is what git sends`, () => {
    for (const version of [0, 1] as const) {
      for (const stateless of [true, false]) {
        const how = `version ${version}, ${stateless ? 'stateless' : 'stateful'}`;
        test(`to a fetch in ${how}`, async () => {
          const repository = await repositoryIn(state);
          const ours = await converse(
            (conversation, options) => advertiseUploadPack(repository, conversation, options),
            Buffer.alloc(0),
            { version, stateless },
          );
          const real = await realAdvertisement('upload-pack', repository, version, stateless);
          assert.ok(comparable(real).length > 1);
          assert.deepEqual(comparable(ours), comparable(real));
        });

        test(`to a push in ${how}`, async () => {
          const repository = await repositoryIn(state);
          const ours = await converse(
            (conversation, options) => advertiseReceivePack(repository, conversation, options),
            Buffer.alloc(0),
            { version, stateless },
          );
          const real = await realAdvertisement('receive-pack', repository, version, stateless);
          assert.deepEqual(comparable(ours), comparable(real));
        });
      }
    }
  });
}

test('an empty repository advertises its capabilities, to a fetch as newer git does', async () => {
  const repository = new MemoryRepository();
  const zero = '0'.repeat(40);
  const fetch = await converse(
    (conversation, options) => advertiseUploadPack(repository, conversation, options),
    Buffer.alloc(0),
  );
  const [first = '', ...others] = transcript(fetch);
  assert.ok(first.startsWith(`${zero} capabilities^{}\0multi_ack thin-pack `), first);
  assert.deepEqual(others, ['0000']);
  const push = await converse(
    (conversation, options) => advertiseReceivePack(repository, conversation, options),
    Buffer.alloc(0),
  );
  assert.deepEqual(transcript(push), [
    `${zero} capabilities^{}\0report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=packhorse/test`,
    '0000',
  ]);
});

test('version 2 advertises capabilities and looks at no ref', async () => {
  const repository = new MemoryRepository();
  repository.refs = () => Promise.reject(new Error('refs must not be asked for'));
  repository.uploadPolicy = {
    ...repository.uploadPolicy,
    allowFilter: true,
    allowRefInWant: true,
    allowSidebandAll: true,
  };
  const bytes = await converse(
    (conversation, options) => advertiseUploadPack(repository, conversation, options),
    Buffer.alloc(0),
    { version: 2 },
  );
  assert.deepEqual(transcript(bytes), [
    'version 2',
    'agent=packhorse/test',
    'ls-refs=unborn',
    'fetch=shallow wait-for-done filter ref-in-want sideband-all',
    'server-option',
    'object-format=sha1',
    '0000',
  ]);
});

test('a push does not know version 2 and is answered in version 0', async () => {
  const repository = new MemoryRepository().graph({ a: [] }).branches({ 'refs/heads/main': 'a' });
  const advertise = (version: 0 | 2): Promise<Buffer> =>
    converse(
      (conversation, options) => advertiseReceivePack(repository, conversation, options),
      Buffer.alloc(0),
      {
        version,
      },
    );
  assert.deepEqual(await advertise(2), await advertise(0));
});

test('tips of borrowed repositories are shown once each, as .have, behind the refs', async () => {
  const repository = new MemoryRepository().graph({ a: [] }).branches({ 'refs/heads/main': 'a' });
  repository.alternates = [oidOf('a'), oidOf('b'), oidOf('c'), oidOf('b')];
  const haves = async (): Promise<string[]> => {
    const bytes = await converse(
      (conversation, options) => advertiseReceivePack(repository, conversation, options),
      Buffer.alloc(0),
    );
    return transcript(bytes).map((line) => line.split('\0')[0] ?? '');
  };
  const borrowed = [`${oidOf('b')} .have`, `${oidOf('c')} .have`, '0000'];
  assert.deepEqual(await haves(), [`${oidOf('a')} refs/heads/main`, ...borrowed]);
  repository.snapshot = snapshotOf([]);
  assert.deepEqual(await haves(), [`${oidOf('a')} .have`, ...borrowed]);
});

test('the refs of a snapshot are encoded once, whatever the capabilities', () => {
  let reads = 0;
  const snapshot = snapshotOf([{ name: 'refs/heads/main', oid: oidOf('a') }]);
  const counting = {
    ...snapshot,
    get refs() {
      reads += 1;
      return snapshot.refs;
    },
  };
  const { uploadPolicy: policy } = new MemoryRepository();
  for (const agent of ['a', 'b', 'a']) {
    const shared = { snapshot: counting, policy, objectFormat: 'sha1', shallows: [] } as const;
    uploadPackAdvertisement({ ...shared, agent, sessionId: 's', version: 0, stateless: agent === 'a' });
  }
  assert.equal(reads, 1);
});

test('a repository with SHA-256 says so and shows its longer ids', async () => {
  const bare = join(temporaryDirectory('advertisement'), 'bare.git');
  await git(['init', '--quiet', '--bare', '--object-format=sha256', bare]);
  const tree = await git(['mktree'], { cwd: bare, input: '' });
  const commit = await git(['commit-tree', '-m', 'one', tree], { cwd: bare });
  await git(['update-ref', 'refs/heads/main', commit], { cwd: bare });
  const repository = new PlainRepository(bare, 'sha256');
  const ours = await converse(
    (conversation, options) => advertiseUploadPack(repository, conversation, options),
    Buffer.alloc(0),
  );
  assert.deepEqual(comparable(ours), comparable(await realAdvertisement('upload-pack', repository, 0, true)));
});
