import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestCluster } from '#test/cluster';
import { commitFiles, fsck, git, newWorkTree, tryGit } from '#test/git';
import type { Person } from '#test/packhorse';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';

/** A repository on one node, people at another one. */

let cluster: TestCluster;
let ada: Person;
let work: string;

before(async () => {
  cluster = await TestCluster.start('fra', 'iad');
  ada = await cluster.node(0).createPerson('ada');
  await cluster.node(0).createRepository('ada/engine', { private: true });
  work = await newWorkTree();
});

after(() => cluster[Symbol.asyncDispose]());

function httpRemote(index: number): string {
  const { httpUrl } = cluster.node(index);
  return `${httpUrl.replace('//', `//ada:${ada.token}@`)}/ada/engine.git`;
}

async function sshOf(
  index: number,
): Promise<{ readonly remote: string; readonly env: Record<string, string> }> {
  const node = cluster.node(index);
  const { host, port } = node.ssh;
  const env = (await node.knownHosts()).gitEnvironment(ada.key);
  return { remote: `ssh://git@${host}:${port}/ada/engine.git`, env };
}

test('a push and a clone through the node that does not have the repository, over HTTP', async () => {
  const oid = await commitFiles(work, { 'README.md': '# Engine\n', 'big.bin': 'x'.repeat(2_000_000) });
  await git(['push', '--quiet', httpRemote(1), 'HEAD:refs/heads/main'], { cwd: work });
  const path = await cluster.node(0).repositoryPath('ada/engine');
  assert.ok(existsSync(path));
  assert.equal(await git(['rev-parse', 'refs/heads/main'], { cwd: path }), oid);
  await fsck(path);
  for (const index of [0, 1]) {
    const copy = join(temporaryDirectory('clone'), 'copy');
    await git(['clone', '--quiet', httpRemote(index), copy]);
    assert.equal(await git(['rev-parse', 'HEAD'], { cwd: copy }), oid);
  }
});

test('the same over SSH, protocols 0 and 2', async () => {
  const { remote, env } = await sshOf(1);
  const oid = await commitFiles(work, { 'ssh.txt': 'over ssh\n' });
  await git(['push', '--quiet', remote, 'HEAD:refs/heads/ssh'], { cwd: work, env });
  for (const version of ['0', '2']) {
    const copy = join(temporaryDirectory('clone'), 'copy');
    const clone = ['-c', `protocol.version=${version}`, 'clone', '--quiet', '--branch', 'ssh', remote, copy];
    await git(clone, { env });
    assert.equal(await git(['rev-parse', 'HEAD'], { cwd: copy }), oid);
  }
});

test('who may not read it is refused through either node', async () => {
  for (const index of [0, 1]) {
    const { httpUrl } = cluster.node(index);
    const { code, stderr } = await tryGit(['ls-remote', `${httpUrl}/ada/engine.git`]);
    assert.notEqual(code, 0);
    assert.match(stderr, /could not read Username|Authentication failed/);
  }
});

test('the API and commands of one node show what is on the other', async () => {
  const other = cluster.node(1);
  const query = '{ repository(owner: "ada", name: "engine") { facts { refs } } }';
  const { repository } = (await other.graphql(query)) as {
    readonly repository: { readonly facts: { readonly refs: number } };
  };
  assert.deepEqual(repository, { facts: { refs: 2 } });

  assert.match(await other.cli(['repo', 'verify', 'ada/engine']), /./);
  assert.match(await other.cli(['repo', 'maintain', 'ada/engine']), /./);
});

test('a repository is where it was created, and is removed through the other node', async () => {
  await cluster.node(1).createRepository('ada/overseas');
  const path = await cluster.node(1).repositoryPath('ada/overseas');
  const [owner, name] = ['ada', 'overseas'];
  await cluster
    .node(0)
    .graphql('mutation ($input: DeleteRepositoryInput!) { deleteRepository(input: $input) }', {
      input: { owner, name },
    });
  assert.ok(!existsSync(path));
});

test('while NATS is away everything goes on, through both nodes', async () => {
  const [server] = cluster.nats.servers;
  await server?.stop();
  await commitFiles(work, { 'away.txt': 'nobody there\n' });
  for (const index of [0, 1]) {
    await git(['push', '--quiet', httpRemote(index), `HEAD:refs/heads/away-${index}`], { cwd: work });
  }
  await server?.start();
  await git(['ls-remote', '--exit-code', httpRemote(1), 'refs/heads/away-0'], { cwd: work });
});

test('with the node that has it gone, the other says so', async () => {
  await cluster.node(0).kill9();
  await waitUntil('the other node has noticed', async () => {
    const { stderr } = await tryGit(['ls-remote', httpRemote(1)]);
    return /not mounted|cannot be reached|503/.test(stderr);
  });
  await cluster.node(0).restart();
  await waitUntil('it is found again', async () => (await tryGit(['ls-remote', httpRemote(1)])).code === 0);
});
