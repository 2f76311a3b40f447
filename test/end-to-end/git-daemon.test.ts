import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as, type Remote } from '#test/doors';
import { git, gitFails } from '#test/git';
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
