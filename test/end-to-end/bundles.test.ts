import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { as, doors } from '#test/doors';
import { commitFiles, fsck, git, gitFails } from '#test/git';
import { run } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { clone, generated, Scene, type Served } from './scene.ts';

/** A large clone that can be resumed: the repository's pack as a static file behind `bundle-uri`. */

const http = doors.find(({ name }) => name === 'http');
let scene: Scene;
let served: Served;

before(async () => {
  const env = { PACKHORSE_GIT_BASE_PACK_MIN_BYTES: '1', PACKHORSE_GIT_SMALL_PACK_BYTES: '0' };
  const [started, source] = await Promise.all([Scene.start({ env }), generated()]);
  scene = started;
  assert.ok(http !== undefined);
  served = await scene.filled(http, source, { private: true });
});
after(() => scene[Symbol.asyncDispose]());

/** The bundle's address, as a client is told it in protocol version 2, and without credentials. */
async function offered(): Promise<{ readonly url: string; readonly authorization: string }> {
  const { username, password, origin, pathname } = new URL(served.url);
  const authorization = `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`;
  const answer = await fetch(`${origin}${pathname}/git-upload-pack`, {
    method: 'POST',
    headers: {
      authorization,
      'content-type': 'application/x-git-upload-pack-request',
      'git-protocol': 'version=2',
    },
    body: '0017command=bundle-uri\n0000',
  });
  const text = await answer.text();
  const [, relative = ''] = /bundle\.base\.uri=(\S+?)\n?(?:0000|$)/.exec(text) ?? [];
  assert.match(relative, /^bundles\/[0-9a-f]{64}\.bundle$/, text);
  assert.match(text, /bundle\.version=1[^]*bundle\.mode=all/);
  return { url: `${origin}${pathname}/${relative}`, authorization };
}

test('curl goes on with an interrupted bundle, and git clones from it', async () => {
  const { url, authorization } = await offered();
  const file = join(temporaryDirectory('bundle'), 'base.bundle');
  const curl = async (...args: readonly string[]): Promise<void> => {
    const result = await run('curl', [
      '-sSf',
      '-H',
      `Authorization: ${authorization}`,
      '-o',
      file,
      ...args,
      url,
    ]);
    assert.equal(result.code, 0, result.stderr);
  };
  await curl();
  const whole = readFileSync(file);
  // Interrupted in the header, in the pack, and with nothing left to do.
  for (const bytes of [10, Math.floor(whole.length / 2), whole.length - 1]) {
    truncateSync(file, bytes);
    await curl('-C', '-');
    assert.equal(statSync(file).size, whole.length);
    assert.ok(readFileSync(file).equals(whole), `interrupted after ${bytes} bytes`);
  }
  const path = join(temporaryDirectory('from-bundle'), 'clone');
  await git(['clone', '--quiet', `--bundle-uri=${file}`, served.url, path], as(served));
  await fsck(path);
  assert.notEqual(await git(['for-each-ref', 'refs/bundles'], { cwd: path }), '');
});

test('git gets the bundle itself, and then only what is new', async () => {
  const { url } = await offered();
  const ours = await clone(served);
  const head = await commitFiles(ours, { 'new.txt': 'new\n' });
  await git(['push', '--quiet', 'origin', 'HEAD:main'], as(served, { cwd: ours }));
  const path = join(temporaryDirectory('from-bundle'), 'clone');
  const { username, password } = new URL(served.url);
  const withLogin = url.replace('://', `://${username}:${password}@`);
  await git(['clone', '--quiet', `--bundle-uri=${withLogin}`, served.url, path], as(served));
  assert.equal(await git(['rev-parse', 'refs/remotes/origin/main'], { cwd: path }), head);
  assert.notEqual(await git(['for-each-ref', 'refs/bundles'], { cwd: path }), '');
  await fsck(path);
  // The same file is offered as long as it is worth it, also by a server that was started again.
  assert.equal((await offered()).url, url);
  await scene.packhorse.restart();
  assert.equal(
    (await fetch(url, { method: 'HEAD', headers: { authorization: (await offered()).authorization } }))
      .status,
    200,
  );
});

test('a bundle is a static file with ranges and a strong validator', async () => {
  const { url, authorization } = await offered();
  const get = (headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(url, { method, headers: { authorization, ...headers } });
  const whole = await get();
  const bytes = Buffer.from(await whole.arrayBuffer());
  const etag = whole.headers.get('etag') ?? '';
  assert.match(etag, /^"[0-9a-f]{64}"$/);
  assert.equal(whole.headers.get('accept-ranges'), 'bytes');
  assert.match(bytes.subarray(0, 100).toString('latin1'), /^# v2 git bundle\n[0-9a-f]{40} refs\/heads\//);
  const head = await get({}, 'HEAD');
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(bytes.length)]);
  assert.ok(head.headers.has('last-modified'));
  const part = await get({ range: 'bytes=1000-1999', 'if-range': etag });
  assert.deepEqual(
    [part.status, part.headers.get('content-range')],
    [206, `bytes 1000-1999/${bytes.length}`],
  );
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000, 2000)));
  const other = await get({ range: 'bytes=1000-1999', 'if-range': '"another"' });
  assert.equal(other.status, 200);
  assert.ok(Buffer.from(await other.arrayBuffer()).equals(bytes));
  assert.equal((await get({ 'if-none-match': etag })).status, 304);
  assert.equal((await get({ range: `bytes=${bytes.length}-` })).status, 416);
  assert.equal((await get({}, 'PUT')).status, 405);
});

test('a bundle is for those only who may read the repository', async () => {
  const { url } = await offered();
  assert.equal((await fetch(url)).status, 401);
  const stranger = await scene.packhorse.createPerson('steve');
  const authorization = `Basic ${btoa(`steve:${stranger.token}`)}`;
  assert.equal((await fetch(url, { headers: { authorization } })).status, 404);
  const into = join(temporaryDirectory('refused'), 'clone');
  await gitFails(['clone', `--bundle-uri=${url}`, url.replace(/\/bundles\/.*/, ''), into]);
  assert.ok(!existsSync(join(into, '.git/refs/bundles')));
  const owners = await offered();
  const unknown = url.replace(/[0-9a-f]{64}/, '0'.repeat(64));
  assert.equal((await fetch(unknown, { headers: { authorization: owners.authorization } })).status, 404);
});
