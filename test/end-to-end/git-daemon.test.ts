import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { git, gitFails } from '#test/git';
import { temporaryDirectory } from '#test/temporary';
import { RootScene } from './root-scene.ts';
import { clone, generated } from './scene.ts';

/** The git:// door of `serve --root` refuses and allows what git daemon does. */

let scene: RootScene;
let source: string;

before(async () => {
  source = await generated();
  scene = await RootScene.start({ gitDoor: 'marked', anonymousPush: false, serveArguments: [] });
});
after(() => scene[Symbol.asyncDispose]());

async function place(): Promise<Remote & { readonly path: string }> {
  const path = await scene.create(source);
  return { path, ...(await scene.remote({ name: 'git' }, path)) };
}

const denied =
  /fatal: remote error: access denied or repository not exported: \/group\/repository-\d+\.git$/m;

test('only repositories with a git-daemon-export-ok file are served', async () => {
  const { path, url } = await place();
  assert.match(await gitFails(['ls-remote', url]), denied);
  writeFileSync(join(path, 'git-daemon-export-ok'), '');
  assert.equal(await git(['ls-remote', url]), await git(['ls-remote', path]));
  await clone({ url, env: {} });
  await clone({ url: url.replace(/\.git$/, ''), env: {} });
  rmSync(join(path, 'git-daemon-export-ok'));
  assert.match(await gitFails(['ls-remote', url]), denied);
});

test('daemon.uploadpack and daemon.receivepack switch the services, and pushing is off without them', async () => {
  const { path, url } = await place();
  writeFileSync(join(path, 'git-daemon-export-ok'), '');
  assert.match(await gitFails(['push', url, 'main:new'], { cwd: source }), denied);
  await git(['config', 'daemon.receivepack', 'true'], { cwd: path });
  await git(['push', '--quiet', url, 'main:new'], { cwd: source });
  assert.equal(
    await git(['rev-parse', 'new'], { cwd: path }),
    await git(['rev-parse', 'main'], { cwd: source }),
  );
  await git(['config', 'daemon.uploadpack', 'false'], { cwd: path });
  assert.match(await gitFails(['ls-remote', url]), denied);
});

for (const version of ['0', '1', '2']) {
  test(`clone, fetch and push work in protocol version ${version}`, async () => {
    const remote = await place();
    writeFileSync(join(remote.path, 'git-daemon-export-ok'), '');
    await git(['config', 'daemon.receivepack', 'true'], { cwd: remote.path });
    const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'protocol.version', GIT_CONFIG_VALUE_0: version };
    const work = await clone({ url: remote.url, env });
    await git(['commit', '--quiet', '--allow-empty', '--message', 'one more'], { cwd: work });
    await git(['push', '--quiet', 'origin', 'main'], as({ url: '', env }, { cwd: work }));
    const other = await clone({ url: remote.url, env }, '--depth=1');
    await git(['fetch', '--quiet', '--unshallow'], as({ url: '', env }, { cwd: other }));
    assert.equal(
      await git(['rev-list', '--count', 'HEAD'], { cwd: other }),
      await git(['rev-list', '--count', 'HEAD'], { cwd: work }),
    );
  });
}

test('a path of the file system is one, too, as long as it leads below the root', async () => {
  const { path } = await place();
  writeFileSync(join(path, 'git-daemon-export-ok'), '');
  const { gitUrl } = scene.packhorse;
  assert.equal(await git(['ls-remote', `${gitUrl}${path}`]), await git(['ls-remote', path]));
  await gitFails(['ls-remote', `${gitUrl}${scene.root}/../${path}`]);
  await gitFails(['ls-remote', `${gitUrl}${source}`]);
});

test('each virtual host has its own repositories', async () => {
  const root = temporaryDirectory('hosts');
  await using hosts = await RootScene.start({
    root,
    serveArguments: ['--interpolated-path', `${root}/%H%D`],
  });
  const { host, port } = new URL(hosts.packhorse.gitUrl);
  const one = await hosts.create(source, join(root, 'localhost/same.git'));
  const two = await hosts.create(undefined, join(root, '127.0.0.1/same.git'));
  const outside = await hosts.create(source, join(root, 'same.git'));
  await git(['push', '--quiet', two, 'main:only'], { cwd: source });
  assert.equal(await git(['ls-remote', `git://LocalHost:${port}/same.git`]), await git(['ls-remote', one]));
  assert.equal(await git(['ls-remote', `git://${host}/same.git`]), await git(['ls-remote', two]));
  const env = (name: string): { readonly env: Record<string, string> } => ({
    env: { GIT_OVERRIDE_VIRTUAL_HOST: name },
  });
  assert.equal(
    await git(['ls-remote', `git://${host}/same.git`], env('..')),
    await git(['ls-remote', outside]),
    'what climbs names the root itself',
  );
  await gitFails(['ls-remote', `git://${host}/same.git`], env('elsewhere.example'));
});
