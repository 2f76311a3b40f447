import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { as, doors } from '#test/doors';
import { fsck, git, gitFails, refsOf, startGit } from '#test/git';
import { startPostgres } from '#test/postgres';
import { clone, generated, Scene, stalling } from './scene.ts';

/** What an operator relies on: the ready line, health, draining, and that everything is there after a restart. */

let scene: Scene;
let source: string;
const binaries = { count: 6, sizeBytes: 500_000 };

before(async () => {
  const shape = { seed: 21, commits: 30, branches: 3, tags: 3, files: 20, binaries };
  [scene, source] = await Promise.all([Scene.start(), generated(shape)]);
});
after(() => scene[Symbol.asyncDispose]());

test('exactly one line is printed, and both addresses in it answer', async () => {
  const { packhorse } = scene;
  assert.match(
    packhorse.stdout,
    /^packhorse ready http=http:\/\/127\.0\.0\.1:\d+ ssh=ssh:\/\/127\.0\.0\.1:\d+\n$/,
  );
  assert.equal((await fetch(`${packhorse.httpUrl}/healthz`)).status, 200);
  assert.equal((await fetch(`${packhorse.httpUrl}/readyz`)).status, 200);
  const metrics = await (await fetch(`${packhorse.httpUrl}/metrics`)).text();
  assert.match(metrics, /^# TYPE \w+ \w+$/m);
  await packhorse.knownHosts();
});

test('only its owner may read the operator’s token', () => {
  const { mode } = statSync(join(scene.packhorse.dataDir, 'admin.json'));
  assert.equal((mode & 0o777).toString(8), '600');
});

test('secrets are not in the log', async () => {
  const http = doors[0] ?? assert.fail();
  const served = await scene.filled(http, source, { private: true });
  await gitFails(['ls-remote', served.url.replace(scene.owner.token, 'wrong-secret')]);
  const { log } = scene.packhorse;
  assert.ok(log.length > 0);
  for (const secret of [scene.owner.token, scene.owner.password, 'wrong-secret']) {
    assert.equal(log.includes(secret), false);
    assert.equal(log.includes(Buffer.from(`${scene.owner.login}:${secret}`).toString('base64')), false);
  }
});

for (const door of doors) {
  describe(`draining over ${door.name}`, () => {
    test('a running push is finished, new ones are refused, and the exit status is 0', async () => {
      const { packhorse } = scene;
      const served = await scene.empty(door);
      await using stalled = await stalling(scene, door, served, binaries.sizeBytes);
      const pushing = startGit(
        ['push', '--quiet', '--mirror', stalled.remote.url],
        as(served, { cwd: source }),
      );
      await stalled.proxy.stalled;
      const stopping = packhorse.stop();
      await packhorse.waitForLog(/draining/);
      await gitFails(['ls-remote', served.url], as(served));
      stalled.proxy.resume();
      const pushed = await pushing.exited;
      assert.equal(pushed.code, 0, pushing.stderr);
      assert.deepEqual(await stopping, { code: 0, signal: null });

      await packhorse.restart();
      const path = await clone(served, '--mirror');
      assert.equal(await refsOf(path), await refsOf(source));
      await fsck(path);
    });
  });
}

test('everything is there after a restart: people, tokens, keys, repositories', async () => {
  const places = await Promise.all(doors.map((door) => scene.filled(door, source, { private: true })));
  await scene.packhorse.restart();
  for (const served of places) {
    assert.equal(await git(['ls-remote', served.url], as(served)), await git(['ls-remote', source]));
  }
});

test('a PostgreSQL of one’s own is used, its loss is told clearly, and its return is enough', async () => {
  await using postgres = await startPostgres();
  await using other = await Scene.start({ databaseUrl: postgres.url });
  assert.equal(existsSync(join(other.packhorse.dataDir, 'postgres')), false);
  const places = await Promise.all(
    doors.map(async (door) => ({ door, served: await other.filled(door, source, { private: true }) })),
  );
  await postgres.stop();
  for (const { door, served } of places) {
    const absent = await door.remote(other.packhorse, other.owner, 'olivia/never-seen.git');
    const said = await gitFails(['ls-remote', absent.url], as(served));
    // SSH has no words for it before somebody is logged in, but it must not claim a wrong key.
    const expected = {
      http: /^remote: .*try again/i,
      ssh: /^(Connection closed by|Received disconnect from)/,
    };
    assert.match(said, expected[door.name]);
    assert.doesNotMatch(said, /no such repository|ECONNREFUSED|password|denied/i);
  }
  await postgres.start();
  for (const { served } of places) {
    assert.equal(await git(['ls-remote', served.url], as(served)), await git(['ls-remote', source]));
  }
});
