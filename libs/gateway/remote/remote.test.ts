import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { collect, PackhorseError, readSettings, silentLog, systemClock, systemRandom } from '#base';
import { RpcClient, RpcServer } from '#cluster';
import { GitRunner, openVolume } from '#git';
import { Metrics } from '#telemetry';
import { FakeAccounts } from '#test/fake-accounts';
import { commitFiles, git, newWorkTree, tryGit } from '#test/git';
import { HttpDoor } from '#test/http-door';
import { testPools } from '#test/pools';
import { temporaryDirectory } from '#test/temporary';
import { AccountsGitGateway } from '../accounts-gateway.ts';
import { Locator, type Peers } from '../locator.ts';
import { AccountsRepositoryGateway } from '../repository-gateway.ts';
import { SessionLimits } from '../session-limits.ts';
import { serveNodes } from './node-service.ts';

/** Two nodes over the same accounts: what one has the other serves. */

const settings = readSettings();
const credentials = { secret: 'shared' };
const accounts = new FakeAccounts();
const opened = new AsyncDisposableStack();
let front: AccountsRepositoryGateway;
let door: HttpDoor;
/** Of the node without a volume, and of the one that has it. */
const metrics = [new Metrics(), new Metrics()] as const;
let pushed = '';

async function gateways(locator: Locator, measured: Metrics) {
  const limits = new SessionLimits(settings.node, measured);
  const git = new AccountsGitGateway(accounts.repositories, locator, limits, {
    settings: settings.wire,
    agentName: 'packhorse/test',
    clock: systemClock,
    log: silentLog,
    metrics: measured,
  });
  const importPolicy = {
    runner: new GitRunner({ timeoutMs: 60_000 }),
    scratchDir: temporaryDirectory('scratch'),
  };
  const parts = { random: systemRandom, log: silentLog, importPolicy };
  const repositories = new AccountsRepositoryGateway(accounts.repositories, locator, parts);
  return { git, repositories, locator };
}

before(async () => {
  for (const login of ['ada', 'eve']) {
    await accounts.users.create({ login, email: `${login}@example.org`, password: login, isAdmin: false });
  }
  const volume = opened.use(await openVolume(join(temporaryDirectory('volume'), 'volume')));
  const back = await gateways(new Locator(opened.use(testPools()).pools, [volume]), metrics[1]);
  const server = new RpcServer({
    self: { node: 'back', instanceId: 'b' },
    credentials,
    settings: settings.cluster,
    log: silentLog,
  });
  serveNodes(server, back);
  const port = await server.listen('127.0.0.1', 0);
  opened.defer(() => server.drain(0));
  const client = new RpcClient({
    self: { node: 'front', instanceId: 'f' },
    address: `127.0.0.1:${port}`,
    credentials,
    settings: settings.cluster,
  });
  opened.defer(() => client.close());
  const peers: Peers = {
    region: 'fra',
    withVolume: (id) => (id === volume.id ? client : undefined),
    choose: () => volume.id,
  };
  const { git, repositories } = await gateways(
    new Locator(opened.use(testPools()).pools, [], peers),
    metrics[0],
  );
  front = repositories;
  door = opened.use(await HttpDoor.open({}, { git, authenticator: accounts.authenticator }));
  const ada = accounts.identity('ada');
  await front.create(ada, { ownerLogin: 'ada', name: 'engine', visibility: 'private' });
  const work = await newWorkTree();
  pushed = await commitFiles(work, { 'README.md': '# Engine\n', 'src/big.bin': 'x'.repeat(3_000_000) });
  await git_(work, 'push', '--quiet', remote('ada'), 'HEAD:refs/heads/main');
});

after(() => opened.disposeAsync());

function remote(login: string): string {
  return door.url.replace('//', `//${login}:${login}@`) + '/ada/engine.git';
}

async function git_(cwd: string, ...args: readonly string[]): Promise<string> {
  return await git(args, { cwd });
}

test('what is pushed through one node is cloned through it, and lies on the other', async () => {
  for (const version of ['0', '2']) {
    const copy = join(temporaryDirectory('copy'), 'copy');
    await git(['-c', `protocol.version=${version}`, 'clone', '--quiet', remote('ada'), copy]);
    assert.equal(await git(['rev-parse', 'HEAD'], { cwd: copy }), pushed);
    await git(['fsck', '--strict'], { cwd: copy });
  }
  const { body: counted } = await metrics[1].exposition();
  assert.match(counted, /packhorse_git_sessions_total\{[^}]*service="receive-pack"[^}]*\} 2/);
});

test('somebody without the right is refused alike through either node', async () => {
  const { code, stderr } = await tryGit(['ls-remote', remote('eve')]);
  assert.notEqual(code, 0);
  assert.match(stderr, /not found/);
  await assert.rejects(front.open(accounts.identity('eve'), 'ada', 'engine', 'read'), { code: 'not_found' });
});

test('pages read what is on the other node', async () => {
  const { agent } = await front.open(accounts.identity('ada'), 'ada', 'engine', 'read');
  assert.equal((await agent.head()).oid, pushed);
  const entry = await agent.entry(pushed, 'README.md');
  assert.ok(entry !== undefined);
  assert.equal((await collect(agent.blobContent(entry.oid), 100)).toString(), '# Engine\n');
  assert.equal((await agent.lastCommits(pushed, '')).get('README.md')?.oid, pushed);
  const names = await agent.transaction(async (reader) => {
    const [refs, head] = await Promise.all([reader.refs('refs/heads/'), reader.head()]);
    await assert.rejects(reader.commit('0'.repeat(40)), { code: 'not_found' });
    return [refs[0]?.name, head.symref, (await reader.commit(pushed)).oid];
  });
  assert.deepEqual(names, ['refs/heads/main', 'refs/heads/main', pushed]);
  await assert.rejects(
    agent.transaction(() => Promise.reject(new PackhorseError('aborted', 'Not now.'))),
    { code: 'aborted' },
  );
  assert.deepEqual(await agent.verify(), []);
  const facts = await agent.facts();
  assert.equal(facts.refs, 1);
});

test('maintenance there is watched from here', async () => {
  const { agent } = await front.open(accounts.identity('ada'), 'ada', 'engine', 'admin');
  const said: string[] = [];
  const report = await agent.maintain({ onProgress: (text) => said.push(text) });
  assert.equal(typeof report.packsRemoved, 'number');
  assert.ok(said.length > 0);
});

test('a repository is imported, and removed, there', async () => {
  const ada = accounts.identity('ada');
  await front.create(ada, { ownerLogin: 'ada', name: 'copy', visibility: 'public' });
  const said: string[] = [];
  await assert.rejects(
    front.import(ada, 'ada', 'copy', 'http://127.0.0.1:1/nothing.git', (text) => said.push(text)),
    (thrown) => thrown instanceof PackhorseError && thrown.code !== 'internal',
  );
  await assert.rejects(
    front.import(ada, 'ada', 'copy', '/some/path', () => undefined),
    {
      code: 'failed_precondition',
    },
  );
  await front.remove(ada, 'ada', 'copy');
  await assert.rejects(front.open(ada, 'ada', 'copy', 'read'), { code: 'not_found' });
});
