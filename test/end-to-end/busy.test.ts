import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { as } from '#test/doors';
import { git, gitFails } from '#test/git';
import { rootDoors, RootScene } from './root-scene.ts';
import { clone, generated } from './scene.ts';

/** A node without a place for what costs much still does what costs nothing, and says that it is busy. */

let scene: RootScene;
let path: string;
let copy: string;

before(async () => {
  const source = await generated();
  scene = await RootScene.start({
    env: { PACKHORSE_GIT_MAX_PACK_PRODUCERS: '0', PACKHORSE_GIT_MAX_PACK_PRODUCER_QUEUE: '0' },
  });
  path = await scene.create(source);
  copy = await clone({ url: path, env: {} }, '--mirror');
});
after(() => scene[Symbol.asyncDispose]());

for (const door of rootDoors) {
  describe(`a busy node over ${door.name}`, () => {
    test('still answers ls-remote and a fetch of nothing', async () => {
      const remote = await scene.remote(door, path);
      assert.equal(await git(['ls-remote', remote.url], as(remote)), await git(['ls-remote', path]));
      await git(['fetch', '--quiet', remote.url, 'main'], as(remote, { cwd: copy }));
    });

    test('says to a clone that needs a pack of its own that it is busy', async () => {
      const remote = await scene.remote(door, path);
      const said = await gitFails(['clone', '--depth=2', remote.url, `${copy}-${door.name}`], as(remote));
      assert.match(said, /The server is busy|returned error: 503|HTTP 503/);
      if (door.name !== 'http') assert.match(said, /The server is busy/);
    });
  });
}

test('a busy node tells a web client when to come again', async () => {
  const { url } = await scene.remote({ name: 'http' }, path);
  const oid = await git(['rev-parse', 'main'], { cwd: path });
  const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  const response = await fetch(`${url}/git-upload-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2' },
    body: `${pkt('command=fetch\n')}${pkt('object-format=sha1\n')}0001${pkt(`want ${oid}\n`)}${pkt('deepen 2\n')}${pkt('done\n')}0000`,
  });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '5');
  assert.match(await response.text(), /^The server is busy/);
  const metrics = await (await fetch(`${scene.packhorse.httpUrl}/metrics`)).text();
  assert.match(metrics, /^packhorse_producers_running 0$/m);
  assert.match(metrics, /^packhorse_limits_reached_total\{limit="producers"\} [1-9]/m);
});
