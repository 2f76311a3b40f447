import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors, type Remote } from '#test/doors';
import { commitFiles, git, gitFails, newWorkTree, tryGit } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import { RootScene } from './root-scene.ts';
import { generated, Scene } from './scene.ts';

/** `git archive --remote` through every door, accounts and `--root`. */

let source: string;

before(async () => {
  source = await generated();
});

/** The archive that a command writes, whose bytes are compared. */
async function archive(args: readonly string[], remote: Remote): Promise<Buffer> {
  const result = await tryGit(['archive', ...args], as(remote));
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

const requests = (directory: string): readonly (readonly string[])[] => [
  ['--format=tar', 'main'],
  ['--format=zip', 'main'],
  ['--format=tar.gz', 'main'],
  ['--format=tgz', '-9', 'main'],
  ['--prefix=engine-1.0/', 'main'],
  ['main', '--', directory],
];

async function sameAsLocal(remote: Remote): Promise<void> {
  const listed = await git(['ls-tree', '-d', '--name-only', 'main'], { cwd: source });
  const [directory = assert.fail()] = listed.split('\n');
  for (const request of requests(directory)) {
    const [here, there] = await Promise.all([
      archive(request, { url: '', env: { GIT_DIR: source } }),
      archive([`--remote=${remote.url}`, ...request], remote),
    ]);
    assert.ok(here.length > 100);
    assert.ok(here.equals(there), request.join(' '));
  }
  assert.match((await archive([`--remote=${remote.url}`, '--list'], remote)).toString(), /^tar$/m);
}

describe('a plain directory', () => {
  let scene: RootScene;
  before(async () => {
    scene = await RootScene.start();
  });
  after(() => scene[Symbol.asyncDispose]());

  for (const door of [{ name: 'ssh' }, { name: 'git' }] as const) {
    test(`gives over ${door.name} what git archive makes`, async () => {
      const path = await scene.create(source);
      await git(['config', 'daemon.uploadarch', 'true'], { cwd: path });
      await sameAsLocal(await scene.remote(door, path));
    });

    test(`gives over ${door.name} only what a ref names, unless uploadarchive.allowUnreachable says otherwise`, async () => {
      const path = await scene.create(source);
      await git(['config', 'daemon.uploadarch', 'true'], { cwd: path });
      const remote = await scene.remote(door, path);
      const oid = await git(['rev-parse', 'main~3'], { cwd: path });
      const asked = ['archive', `--remote=${remote.url}`, oid];
      assert.match(await gitFails(asked, as(remote)), /no such ref/);
      await git(['config', 'uploadarchive.allowUnreachable', 'true'], { cwd: path });
      assert.equal((await tryGit(asked, as(remote))).code, 0);
    });

    test(`refuses over ${door.name} what a client may not ask for, in git's words`, async () => {
      const path = await scene.create(source);
      await git(['config', 'daemon.uploadarch', 'true'], { cwd: path });
      const remote = await scene.remote(door, path);
      const ask = (...args: string[]): Promise<string> =>
        gitFails(['archive', `--remote=${remote.url}`, ...args], as(remote));
      assert.match(await ask('no-such-branch'), /fatal: .*no-such-branch/);
      assert.match(await ask('--format=frotz', 'main'), /Unknown archive format 'frotz'/);
      assert.match(await ask(...Array.from({ length: 70 }, () => '-v'), 'main'), /Too many options \(>63\)/);
    });

    test(`runs nothing over ${door.name} that a repository's configuration names`, async () => {
      const path = await scene.create();
      const marker = join(temporaryDirectory('marker'), 'was-run');
      const work = await newWorkTree();
      await commitFiles(work, { '.gitattributes': '* filter=evil export-subst\n', a: '$Format:%G?$\n' });
      await git(['push', '--quiet', path, 'main'], { cwd: work });
      const settings = {
        'daemon.uploadarch': 'true',
        'tar.evil.command': `touch ${marker}; cat`,
        'tar.evil.remote': 'true',
        'tar.tar.gz.command': `touch ${marker}; gzip -cn`,
        'filter.evil.smudge': `touch ${marker}; cat`,
        'filter.evil.required': 'true',
        'gpg.program': `touch ${marker}`,
      };
      for (const [key, value] of Object.entries(settings)) await git(['config', key, value], { cwd: path });
      const remote = await scene.remote(door, path);
      const refused = ['archive', `--remote=${remote.url}`, '--format=evil', 'main'];
      assert.match(await gitFails(refused, as(remote)), /Unknown archive format 'evil'/);
      await archive([`--remote=${remote.url}`, '--format=tar.gz', 'main'], remote);
      assert.ok((await archive([`--remote=${remote.url}`, 'main'], remote)).includes('\0N\n\0'));
      assert.ok(!existsSync(marker));
    });
  }

  test('is off over git:// and HTTP unless the repository says otherwise', async () => {
    const path = await scene.create(source);
    const daemon = await scene.remote({ name: 'git' }, path);
    assert.match(await gitFails(['archive', `--remote=${daemon.url}`, 'main']), /service not enabled/);
    const http = await scene.remote({ name: 'http' }, path);
    assert.equal((await post(http.url, ['main'])).status, 403);
    await git(['config', 'http.uploadarchive', 'true'], { cwd: path });
    const response = await post(http.url, ['main']);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/x-git-upload-archive-result');
    await sameOverHttp(response);
    await git(['config', 'http.uploadarchive', 'false'], { cwd: path });
    assert.equal((await post(http.url, ['main'])).status, 403);
  });

  test('ends with its client', async () => {
    const url = await large(scene);
    const given = new AbortController();
    const response = await post(url, ['main'], {}, given.signal);
    await response.body?.getReader().read();
    const before = scene.packhorse.log.length;
    given.abort();
    await scene.packhorse.waitForLog(new RegExp(`^[^]{${before}}[^]*"aborted":true`));
  });
});

test('a server that makes as many archives as it may says at each door that it is busy', async () => {
  await using scene = await RootScene.start({
    env: { PACKHORSE_GIT_MAX_WORK_PER_ADDRESS: '1', PACKHORSE_GIT_MAX_WAITING_WORK: '0' },
  });
  const url = await large(scene);
  const holding = new AbortController();
  const held = await post(url, ['main'], {}, holding.signal);
  assert.equal(held.status, 200);
  const refused = await post(url, ['main']);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '5');
  assert.match(await refused.text(), /^The server is busy/);
  const path = await scene.create(source);
  await git(['config', 'daemon.uploadarch', 'true'], { cwd: path });
  for (const name of ['ssh', 'git'] as const) {
    const remote = await scene.remote({ name }, path);
    const said = await gitFails(['archive', `--remote=${remote.url}`, 'main'], as(remote));
    assert.match(said, /remote error: The server is busy/, name);
  }
  holding.abort();
  const ssh = await scene.remote({ name: 'ssh' }, path);
  await waitUntil('there is room again', async () => {
    const asked = await tryGit(['archive', `--remote=${ssh.url}`, 'main'], as(ssh));
    return asked.code === 0;
  });
});

/** The address of a repository whose archive does not fit into any buffer on its way. */
async function large(scene: RootScene): Promise<string> {
  const path = await scene.create();
  const work = await newWorkTree();
  writeFileSync(join(work, 'large'), Buffer.alloc(64 * 1024 * 1024));
  await git(['add', '.'], { cwd: work });
  await git(['commit', '--quiet', '--message', 'large'], { cwd: work });
  await git(['push', '--quiet', path, 'main'], { cwd: work });
  await git(['config', 'http.uploadarchive', 'true'], { cwd: path });
  return (await scene.remote({ name: 'http' }, path)).url;
}

describe('a server with accounts', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
  });
  after(() => scene[Symbol.asyncDispose]());

  const ssh = doors[1] ?? assert.fail();

  test('gives archives to those who may read', async () => {
    const served = await scene.filled(ssh, source, { private: true });
    await sameAsLocal(served);
    const { packhorse, owner } = scene;
    const url = `${packhorse.httpUrl}/${served.name}.git`;
    const login = {
      authorization: `Basic ${Buffer.from(`${owner.login}:${owner.token}`).toString('base64')}`,
    };
    await sameOverHttp(await post(url, ['main'], login));
    assert.equal((await post(url, ['main'])).status, 401);
    const stranger = await packhorse.createPerson('stella');
    const remote = await ssh.remote(packhorse, stranger, `${served.name}.git`);
    assert.match(
      await gitFails(['archive', `--remote=${remote.url}`, 'main'], as(remote)),
      /There is no such repository/,
    );
  });
});

const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

function post(
  url: string,
  args: readonly string[],
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${url}/git-upload-archive`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-upload-archive-request', ...headers },
    body: `${args.map((arg) => pkt(`argument ${arg}\n`)).join('')}0000`,
    signal: signal ?? null,
  });
}

/** The archive out of `ACK`, a flush and side-band packets is what git makes here. */
async function sameOverHttp(response: Response): Promise<void> {
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(bytes.toString('latin1', 0, 12), '0008ACK\n0000');
  const parts: Buffer[] = [];
  for (let at = 12; at < bytes.length;) {
    const lengthBytes = Number.parseInt(bytes.toString('latin1', at, at + 4), 16);
    if (bytes[at + 4] === 1) parts.push(bytes.subarray(at + 5, at + lengthBytes));
    at += Math.max(4, lengthBytes);
  }
  const here = await archive(['main'], { url: '', env: { GIT_DIR: source } });
  assert.ok(Buffer.concat(parts).equals(here));
}
