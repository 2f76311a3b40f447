import assert from 'node:assert/strict';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { as } from '#test/doors';
import { commitFiles, fsck, git, gitFails, newWorkTree, refsOf } from '#test/git';
import { askHttpBackend, askServer, type RawRequest, type RawResponse } from '#test/http-backend';
import { run } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { RootScene } from './root-scene.ts';
import { clone, generated } from './scene.ts';

/** What `serve --root` answers over HTTP is what git http-backend answers over the same directory. */

let scene: RootScene;
let source: string;

before(async () => {
  source = await generated();
  scene = await RootScene.start({ anonymousPush: false });
});
after(() => scene[Symbol.asyncDispose]());

const flush = '0000';
const pktType = (service: string): Record<string, string> => ({
  'Content-Type': `application/x-git-${service}-request`,
});

/** A repository with packs and loose objects, and every file of the dumb protocol. */
async function place(): Promise<string> {
  const path = await scene.create(source);
  await git(['repack', '-a', '-d', '-q'], { cwd: path });
  const work = await newWorkTree();
  await commitFiles(work, { a: 'loose\n' });
  await git(['push', '--quiet', path, 'main:refs/heads/loose'], { cwd: work });
  for (const name of ['alternates', 'http-alternates']) writeFileSync(join(path, 'objects/info', name), '');
  await git(['config', 'transfer.hideRefs', 'refs/pull'], { cwd: path });
  await git(['update-ref', 'refs/pull/1/head', 'main'], { cwd: path });
  return path;
}

function filesOf(path: string): readonly string[] {
  const objects = readdirSync(join(path, 'objects'), { recursive: true, encoding: 'utf8' });
  const pick = (pattern: RegExp): string =>
    `objects/${objects.find((name) => pattern.test(name)) ?? assert.fail()}`;
  return [
    'HEAD',
    'info/refs',
    'objects/info/packs',
    'objects/info/alternates',
    'objects/info/http-alternates',
    pick(/^[0-9a-f]{2}\/[0-9a-f]{38}$/),
    pick(/\.pack$/),
    pick(/\.idx$/),
  ];
}

/** Header fields that say the same in both answers, with what is compared of them. */
function comparable({ status, headers }: RawResponse): unknown {
  const expires = Date.parse(headers['expires'] ?? '') / 1000;
  const modified = headers['last-modified'];
  return {
    status,
    cache: [headers['cache-control'], headers.pragma],
    // A year from now, give or take a minute, or long ago.
    expires: expires < 1e9 ? expires : Math.abs(expires - Date.now() / 1000 - 31_536_000) < 60,
    modified: modified === undefined ? undefined : Date.parse(modified),
    allow: headers.allow,
    type: status < 300 ? headers['content-type'] : undefined,
  };
}

/** An advertisement without what a server says about itself. */
function refsOnly(body: Buffer): string {
  return body.toString('latin1').replaceAll(/^(?:0000)?....([0-9a-f]{40} [^\0\n]*)\0[^\n]*/gm, '$1');
}

async function both(path: string, request: RawRequest): Promise<readonly [RawResponse, RawResponse]> {
  const target = path.slice(scene.root.length) + request.target;
  const asked = { ...request, target };
  return [await askHttpBackend(scene.root, asked), await askServer(scene.packhorse.httpUrl, asked)];
}

async function same(path: string, request: RawRequest, what: string): Promise<RawResponse> {
  const [expected, actual] = await both(path, request);
  assert.deepEqual(comparable(actual), comparable(expected), what);
  if (expected.status < 300) {
    assert.equal(refsOnly(actual.body), refsOnly(expected.body), what);
    const lengthBytes = expected.headers['content-length'];
    if (lengthBytes !== undefined) assert.equal(actual.headers['content-length'], lengthBytes, what);
  }
  assert.equal(actual.headers['x-request-id'], undefined);
  return actual;
}

describe('single files', () => {
  test('come as git http-backend sends them, with GET and HEAD', async () => {
    const path = await place();
    for (const file of filesOf(path)) {
      for (const method of ['GET', 'HEAD']) {
        const { status } = await same(path, { method, target: `/${file}` }, `${method} ${file}`);
        assert.equal(status, 200);
      }
    }
  });

  test('that are made for the request follow the repository: unborn, detached and empty', async () => {
    const path = await place();
    const steps: readonly (readonly string[])[] = [
      [
        'tag',
        '-a',
        '-m',
        'of a tag',
        'nested',
        (await git(['tag', '--list'], { cwd: path })).split('\n')[0] ?? '',
      ],
      ['pack-refs', '--all'],
      ['symbolic-ref', 'HEAD', 'refs/heads/unborn'],
      ['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'],
      ['symbolic-ref', 'HEAD', 'refs/heads/alias'],
      ['update-ref', '--no-deref', 'HEAD', 'main~2'],
    ];
    for (const step of steps) {
      await git(step, { cwd: path });
      for (const target of ['/HEAD', '/info/refs'])
        await same(path, { method: 'GET', target }, step.join(' '));
    }
    const empty = await scene.create();
    for (const target of ['/HEAD', '/info/refs', '/objects/info/packs']) {
      await same(empty, { method: 'GET', target }, `${target} of an empty repository`);
    }
  });

  test('list packs as git does, the youngest first', async () => {
    const path = await place();
    await git(['repack', '-q'], { cwd: path });
    const packs = readdirSync(join(path, 'objects/pack')).filter((name) => name.endsWith('.pack'));
    assert.equal(packs.length, 2);
    for (const first of packs) {
      for (const name of packs)
        utimesSync(join(path, 'objects/pack', name), 1, name === first ? 2_000 : 1_000);
      await same(path, { method: 'GET', target: '/objects/info/packs' }, first);
    }
  });

  test('are missing, switched off, or none that the protocol knows', async () => {
    const path = await place();
    for (const target of [
      '/objects/pack/pack-0000000000000000000000000000000000000000.pack',
      '/objects/00/00000000000000000000000000000000000000',
      '/refs/heads/main',
      '/config',
      '/objects/info/commit-graph',
    ]) {
      const { status } = await same(path, { method: 'GET', target }, target);
      assert.equal(status, 404, target);
    }
    assert.equal((await same(`${path}-x`, { method: 'GET', target: '/HEAD' }, 'no repository')).status, 404);
    await git(['config', 'http.getanyfile', 'false'], { cwd: path });
    for (const file of filesOf(path)) {
      assert.equal((await same(path, { method: 'GET', target: `/${file}` }, file)).status, 403);
    }
  });

  test('are sent in part to those who ask for a part', async () => {
    const path = await place();
    const pack = filesOf(path).find((name) => name.endsWith('.pack'));
    const target = `${path.slice(scene.root.length)}/${pack}`;
    const ask = (headers: Record<string, string>): Promise<RawResponse> =>
      askServer(scene.packhorse.httpUrl, { method: 'GET', target, headers });
    const whole = await ask({});
    const part = await ask({ Range: 'bytes=100-199' });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes 100-199/${whole.body.length}`);
    assert.ok(part.body.equals(whole.body.subarray(100, 200)));
    assert.equal((await ask({ Range: `bytes=${whole.body.length}-` })).status, 416);
    const directory = temporaryDirectory('curl');
    writeFileSync(join(directory, 'pack'), whole.body.subarray(0, 12_345));
    const url = scene.packhorse.httpUrl + target;
    const curl = await run('curl', ['--silent', '--fail', '--continue-at', '-', '--output', 'pack', url], {
      cwd: directory,
    });
    assert.equal(curl.code, 0);
    assert.equal((await git(['hash-object', 'pack'], { cwd: directory })).length, 40);
    assert.equal(
      await git(['index-pack', 'pack', '-o', 'x.idx'], { cwd: directory }).then(() => 'whole'),
      'whole',
    );
  });

  test('are enough for a client that knows nothing else', async () => {
    const path = await place();
    const { url } = await scene.remote({ name: 'http' }, path);
    const copy = await clone({ url, env: { GIT_SMART_HTTP: '0' } }, '--mirror');
    assert.equal(await refsOf(copy), await refsOf(path));
    await fsck(copy);
  });
});

describe('services', () => {
  test('are advertised and called as by git http-backend', async () => {
    const path = await place();
    await git(['config', '--unset', 'transfer.hideRefs'], { cwd: path });
    const advertisement = (service: string, headers = {}): RawRequest => ({
      method: 'GET',
      target: `/info/refs?service=${service}`,
      headers,
    });
    const post = (service: string, body: string | Buffer, headers = {}): RawRequest => ({
      method: 'POST',
      target: `/git-${service}`,
      headers: { ...pktType(service), ...headers },
      body,
    });
    const requests: readonly (readonly [RawRequest, status: number])[] = [
      [advertisement('git-upload-pack'), 200],
      [advertisement('git-upload-pack', { 'Git-Protocol': 'version=1' }), 200],
      [{ method: 'HEAD', target: '/info/refs?service=git-upload-pack' }, 200],
      [advertisement('git-receive-pack'), 403],
      [advertisement('git-frotz'), 403],
      [advertisement(''), 403],
      [advertisement('upload-pack'), 403],
      [post('upload-pack', flush), 200],
      [post('upload-pack', gzipSync(flush), { 'Content-Encoding': 'gzip' }), 200],
      [post('upload-pack', gzipSync(flush), { 'Content-Encoding': 'x-gzip' }), 200],
      [post('upload-pack', ''), 200],
      [post('receive-pack', flush), 403],
      [post('upload-pack', flush, { 'Content-Type': 'text/plain' }), 415],
      [post('upload-pack', flush, { 'Content-Type': 'application/x-git-receive-pack-request' }), 415],
      [{ method: 'GET', target: '/git-upload-pack' }, 405],
      [{ method: 'PUT', target: '/git-receive-pack', body: flush }, 405],
      [{ method: 'POST', target: '/info/refs?service=git-upload-pack', body: flush }, 405],
      [{ method: 'DELETE', target: '/HEAD' }, 405],
    ];
    for (const [request, status] of requests) {
      const what = JSON.stringify(request);
      assert.equal((await same(path, request, what)).status, status, what);
    }
    const missing = `${path}-missing`;
    for (const request of [advertisement('git-upload-pack'), post('upload-pack', flush)]) {
      assert.equal((await same(missing, request, 'missing')).status, 404);
    }
    await git(['config', 'http.receivepack', 'true'], { cwd: path });
    await git(['config', 'http.uploadpack', 'false'], { cwd: path });
    assert.equal((await same(path, advertisement('git-receive-pack'), 'receive-pack on')).status, 200);
    assert.equal((await same(path, post('receive-pack', flush), 'receive-pack on')).status, 200);
    assert.equal((await same(path, advertisement('git-upload-pack'), 'upload-pack off')).status, 403);
    assert.equal((await same(path, post('upload-pack', flush), 'upload-pack off')).status, 403);
  });

  test('say why they refuse a media type in the words of git http-backend', async () => {
    const path = await place();
    const request = {
      method: 'POST',
      target: '/git-upload-pack',
      headers: { 'Content-Type': 'text/plain' },
      body: flush,
    };
    const [expected, actual] = await both(path, request);
    assert.equal(actual.body.toString(), expected.body.toString());
  });

  test('answer paths with encoded letters, and no others for them', async () => {
    const path = await scene.create(source, join(scene.root, 'an odd/näme %41.git'));
    const { url } = await scene.remote({ name: 'http' }, path);
    await clone({ url: encodeURI(url), env: {} });
    assert.match(await gitFails(['ls-remote', encodeURI(url).replace('%2541', '%41')]), /not found/);
  });

  test('name the pusher in reflogs as git http-backend does', async () => {
    const path = await scene.create(source);
    await git(['config', 'http.receivepack', 'true'], { cwd: path });
    await git(['config', 'core.logAllRefUpdates', 'true'], { cwd: path });
    const remote = await scene.remote({ name: 'http' }, path);
    await git(['push', '--quiet', remote.url, 'main:named'], as(remote, { cwd: source }));
    const entry = await git(['reflog', 'show', '--format=%gn <%ge> %gs', 'named'], { cwd: path });
    assert.equal(entry, 'anonymous <anonymous@http.127.0.0.1> push');
  });
});

describe('who logged in at the web server in front', () => {
  const advertisement = (path: string, service: string): string =>
    `${path.slice(scene.root.length)}/info/refs?service=git-${service}`;

  test('may push as with REMOTE_USER, unless the repository says no, and is named in the reflog', async () => {
    await using behind = await RootScene.start({
      root: scene.root,
      anonymousPush: false,
      serveArguments: ['--trusted-proxies', '127.0.0.1', '--remote-user-header', 'X-Remote-User'],
    });
    const path = await scene.create(source);
    await git(['config', 'core.logAllRefUpdates', 'true'], { cwd: path });
    const headers = { 'X-Remote-User': 'ada' };
    const asked = { method: 'GET', target: advertisement(path, 'receive-pack') };
    const ask = async (user: string): Promise<readonly [ours: number, theirs: number]> => [
      (await askServer(behind.packhorse.httpUrl, { ...asked, headers: { 'X-Remote-User': user } })).status,
      (await askHttpBackend(scene.root, asked, { REMOTE_USER: user })).status,
    ];
    assert.deepEqual(
      [await ask('ada'), await ask('')],
      [
        [200, 200],
        [403, 403],
      ],
    );
    const { url } = await behind.remote({ name: 'http' }, path);
    const header = ['-c', 'http.extraHeader=X-Remote-User: ada'];
    await git([...header, 'push', '--quiet', url, 'main:named'], { cwd: source });
    const entry = await git(['reflog', 'show', '--format=%gn <%ge> %gs', 'named'], { cwd: path });
    assert.equal(entry, 'ada <ada@http.127.0.0.1> push');
    await git(['config', 'http.receivepack', 'false'], { cwd: path });
    assert.deepEqual(await ask('ada'), [403, 403]);
    const word = await askServer(scene.packhorse.httpUrl, { ...asked, headers });
    assert.equal(word.status, 403, 'a server that trusts nobody does not believe it');
  });

  test('is not believed from elsewhere', async () => {
    await using behind = await RootScene.start({
      root: scene.root,
      anonymousPush: false,
      serveArguments: ['--trusted-proxies', '192.0.2.0/24', '--remote-user-header', 'X-Remote-User'],
    });
    const target = advertisement(await scene.create(source), 'receive-pack');
    const headers = { 'X-Remote-User': 'ada' };
    const { status } = await askServer(behind.packhorse.httpUrl, { method: 'GET', target, headers });
    assert.equal(status, 403);
  });
});

test('HTTP/1.0 clients, pipelined requests and chunked bodies are answered in order', async () => {
  const path = await place();
  const base = path.slice(scene.root.length);
  const { hostname, port } = new URL(scene.packhorse.httpUrl);
  const requests = [
    `GET ${base}/HEAD HTTP/1.1\r\nHost: x\r\n\r\n`,
    `POST ${base}/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-upload-pack-request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n00\r\n2\r\n00\r\n0\r\n\r\n`,
    `POST ${base}/HEAD HTTP/1.0\r\nContent-Length: 0\r\n\r\n`,
  ];
  const said = await run('bash', ['-c', `exec 3<>/dev/tcp/${hostname}/${port}; cat >&3; cat <&3`], {
    input: requests.join(''),
  });
  const text = said.stdout.toString();
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 405']);
  assert.match(text, /ref: refs\/heads\/main\n/);
});
