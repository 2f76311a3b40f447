import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, cliEnvironment, packhorse } from '#test/cli';
import { run, startProcess } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';

/** A Node that only tells its version and how it was called. */
function fakeNode(directory: string, version: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, 'node'),
    `#!/bin/sh\n[ "$1" = --version ] && { echo v${version}; exit; }\necho "node ${version}: $*"\n`,
    { mode: 0o755 },
  );
}

const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';

/** A checkout that has nothing but the command, started with `pathVersion` as the machine's Node. */
async function start(pathVersion: string | undefined, ownVersion: string | undefined) {
  const root = temporaryDirectory('checkout');
  const command = join(root, 'apps/cli/packhorse.cjs');
  mkdirSync(dirname(command), { recursive: true });
  copyFileSync(packhorse, command);
  if (pathVersion !== undefined) fakeNode(join(root, 'path'), pathVersion);
  if (ownVersion !== undefined) {
    fakeNode(join(root, `.node/node_modules/node-linux-${architecture}/bin`), ownVersion);
  }
  // Reached through a link, as from node_modules/.bin.
  symlinkSync(command, join(root, 'packhorse'));
  const result = await run(join(root, 'packhorse'), ['repo', 'list', 'a  b'], {
    env: { PATH: `${join(root, 'path')}:/bin:/usr/bin` },
  });
  return { ...result, root, command };
}

test('the Node of the machine is used when it is new enough', async () => {
  for (const version of ['24.15.0', '24.21.1', '25.0.0', '100.1.2']) {
    const { stdout, command } = await start(version, '24.21.0');
    assert.equal(
      stdout.toString(),
      `node ${version}: --max-semi-space-size=4 --no-parallel-scavenge --expose-gc ${command} repo list a  b\n`,
    );
  }
});

test('an older one gives way to the Node of the checkout', async () => {
  for (const version of ['24.14.9', '20.20.2', '12.0.0', 'nonsense']) {
    const { stdout, command } = await start(version, '24.21.0');
    assert.equal(
      stdout.toString(),
      `node 24.21.0: --max-semi-space-size=4 --no-parallel-scavenge --expose-gc ${command} repo list a  b\n`,
      version,
    );
  }
});

test('without any, it says what to run', async () => {
  for (const own of [undefined, '22.0.0']) {
    const { code, stdout, stderr, root } = await start('20.0.0', own);
    assert.equal(code, 1);
    assert.equal(stdout.toString(), '');
    assert.ok(stderr.includes(`Node 24.15 or newer`) && stderr.includes(`${root}/script/bootstrap`), stderr);
  }
});

test('without the packages, it says what to run', async () => {
  const root = temporaryDirectory('checkout');
  const command = join(root, 'apps/cli/packhorse.cjs');
  mkdirSync(dirname(command), { recursive: true });
  copyFileSync(packhorse, command);
  const { code, stderr } = await run(process.execPath, [command, '--version'], {});
  assert.equal(code, 1);
  assert.match(stderr, /script\/bootstrap/);
});

test('the version, the help of every group and an unknown command', async () => {
  const version = await cli(['--version']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  for (const args of [['--help'], ['repo', '--help'], ['repo', 'import', '--help'], ['help', 'user']]) {
    const { code, stdout, stderr } = await cli(args);
    assert.equal(code, 0);
    assert.match(stdout, /^Usage: packhorse/);
    assert.equal(stderr, '');
  }
  for (const args of [[], ['repo'], ['nonsense'], ['repo', 'nonsense'], ['repo', 'list', '--nonsense']]) {
    const { code, stdout, stderr } = await cli(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /packhorse/);
  }
});

/** The Node of the machine, when it is too old to run the program itself. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return status === 0 && Number(stdout.slice(1).split('.')[0]) < 24;
});
const needsOldNode = { skip: oldNode === undefined && 'this machine has no older Node' };

/** A server that never answers; resolves `asked` when a command waits for it, `left` when that one is gone. */
async function silentServer() {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = createServer((_request, response) => {
    response.on('close', () => left.resolve());
    asked.resolve();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const env = { PACKHORSE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  return {
    asked: asked.promise,
    left: left.promise,
    env,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Started by the old Node itself, which cannot replace itself and has to stand in between. */
function startWithOldNode(args: readonly string[], env: Readonly<Record<string, string>>) {
  return startProcess(oldNode ?? '', [packhorse, ...args], { env: cliEnvironment(env), cwd: '/' });
}

test('an old Node passes output and exit status through', needsOldNode, async () => {
  const { code, stderr } = await run(oldNode ?? '', [packhorse, 'repo', 'list'], {
    cwd: temporaryDirectory('nowhere'),
    env: cliEnvironment(),
  });
  assert.equal(code, 1);
  assert.match(stderr, /^packhorse: No server is running here/);
  const help = await run(oldNode ?? '', [packhorse, 'nonsense'], { env: cliEnvironment() });
  assert.equal(help.code, 2);
});

test('an old Node passes signals on, and ends as the program did', needsOldNode, async () => {
  await using server = await silentServer();
  await using wrapper = startWithOldNode(['repo', 'list'], server.env);
  await server.asked;
  process.kill(wrapper.pid, 'SIGTERM');
  await server.left;
  assert.deepEqual(await wrapper.exited, { code: null, signal: 'SIGTERM' });
});

test('an old Node that is killed takes the program with it', needsOldNode, async () => {
  await using server = await silentServer();
  await using wrapper = startWithOldNode(['repo', 'list'], server.env);
  await server.asked;
  await wrapper.kill9();
  await server.left;
});

test('started by its first line, the program is the process that was started', async () => {
  await using server = await silentServer();
  await using started = startProcess(packhorse, ['repo', 'list'], {
    env: cliEnvironment(server.env),
    cwd: '/',
  });
  await server.asked;
  await started.kill9();
  await server.left;
});
