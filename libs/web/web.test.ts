import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { PackhorseError } from '#base';
import type { FakeAgent } from '#test/fake-repositories';
import { cookieOf, newestOid, Site } from '#test/web-site';

const pages = [
  '/',
  '/ada',
  '/login',
  '/ada/hello',
  '/ada/hello/tree/main',
  '/ada/hello/blob/main/README.md',
  '/ada/hello/blob/main/README.md?plain',
  '/ada/hello/blob/main/logo.png',
  '/ada/hello/history/main',
  `/ada/hello/commit/${newestOid}`,
  '/ada/hello/refs',
  '/ada/hello/compare',
  '/ada/hello/compare/v1...main',
] as const;

suite('the web door', () => {
  let site: Site;
  let agent: FakeAgent;

  before(async () => {
    site = new Site();
    agent = await site.open();
  });

  after(() => site[Symbol.asyncDispose]());

  test('every page says what it may load, and that it belongs to one visitor', async () => {
    for (const path of [...pages, '/nowhere/at/all']) {
      const { status, headers } = await site.get(path);
      assert.equal(status, path === '/nowhere/at/all' ? 404 : 200, path);
      assert.match(
        headers.get('content-security-policy') ?? '',
        /^default-src 'none'; style-src 'self'; img-src/,
        path,
      );
      assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
      assert.match(headers.get('vary') ?? '', /Cookie/, path);
      assert.match(headers.get('cache-control') ?? '', /private, no-cache/, path);
    }
  });

  test('HEAD is answered as GET is, without the page', async () => {
    for (const path of [...pages, '/ada/hello/raw/main/README.md']) {
      const [get, head] = [await site.get(path), await site.get(path, {}, 'HEAD')];
      assert.equal(head.status, get.status, path);
      assert.equal(await head.text(), '', path);
      for (const header of ['content-type', 'etag'])
        assert.equal(head.headers.get(header), get.headers.get(header), path);
    }
  });

  test('a page that the browser has is not sent again, until something about it changes', async () => {
    for (const path of pages.filter((page) => page.startsWith('/ada/hello/') && !page.endsWith('compare'))) {
      const tag = (await site.get(path)).headers.get('etag') ?? '';
      assert.match(tag, /^W\/"/, path);
      const again = await site.get(path, { 'if-none-match': tag });
      assert.equal(again.status, 304, path);
      assert.equal(again.headers.get('etag'), tag, path);
      const cookie = cookieOf(await site.signIn('eve'));
      assert.equal((await site.get(path, { 'if-none-match': tag, cookie })).status, 200, path);
    }
    const tag = (await site.get('/ada/hello/history/main')).headers.get('etag') ?? '';
    agent.commits += 1;
    assert.equal((await site.get('/ada/hello/history/main', { 'if-none-match': tag })).status, 200);
    agent.commits -= 1;
  });

  test('a directory whose last changes are not all known yet is not remembered', async () => {
    agent.lastCommits = async () => new Map();
    assert.equal((await site.get('/ada/hello')).headers.get('etag'), null);
    Reflect.deleteProperty(agent, 'lastCommits');
  });

  test('pages are compressed for who takes that; raw files and secrets are not', async () => {
    const encoding = async (
      path: string,
      headers: Readonly<Record<string, string>> = {},
    ): Promise<string | null> =>
      (await site.get(path, { 'accept-encoding': 'gzip', ...headers })).headers.get('content-encoding');
    assert.equal(await encoding('/ada/hello/history/main'), 'gzip');
    assert.equal(await encoding('/ada/hello/raw/main/README.md'), null);
    assert.equal(await encoding('/settings', { cookie: cookieOf(await site.signIn('ada')) }), null);
  });

  test('crawlers are kept off what has no end, and the icon is found', async () => {
    assert.match(await (await site.get('/robots.txt')).text(), /^Disallow: \/\*\/\*\/commit\/$/m);
    const icon = await site.get('/favicon.ico');
    assert.equal(
      (await site.get(icon.headers.get('location') ?? '')).headers.get('content-type'),
      'image/svg+xml',
    );
  });

  test('search engines list a file once, not at every revision', async () => {
    const tag = async (path: string): Promise<string | null> =>
      (await site.get(path)).headers.get('x-robots-tag');
    assert.equal(await tag('/ada/hello/blob/main/README.md'), null);
    for (const revision of ['next', 'v1', newestOid]) {
      assert.equal(await tag(`/ada/hello/blob/${revision}/README.md`), 'noindex, nofollow');
    }
  });

  test('addresses that people type lead where they mean', async () => {
    const leads = async (path: string): Promise<readonly [number, string | null]> => {
      const { status, headers } = await site.get(path);
      return [status, headers.get('location')];
    };
    assert.deepEqual(await leads('/ada/hello.git'), [301, '/ada/hello']);
    assert.deepEqual(await leads('/ada/hello.git/?x=1'), [301, '/ada/hello?x=1']);
    assert.deepEqual(await leads('/ada/hello/'), [200, null]);
    assert.deepEqual(await leads('/ada/hello/tree/main/'), [200, null]);
    assert.deepEqual(await leads('/ada/hello/blob/main/src'), [302, '/ada/hello/tree/main/src']);
    assert.deepEqual(await leads('/ada/hello/tree/main/README.md'), [302, '/ada/hello/blob/main/README.md']);
    assert.deepEqual(await leads('/ada/hello/compare?base=v1&head=a/b'), [
      302,
      '/ada/hello/compare/v1...a/b',
    ]);
    assert.deepEqual(await leads('/ada/secret/history/main?skip=3'), [
      303,
      '/login?return=%2Fada%2Fsecret%2Fhistory%2Fmain%3Fskip%3D3',
    ]);
  });

  test('what is wrong inside a repository is said inside its frame', async () => {
    for (const [path, status] of [
      ['/ada/hello/blob/main/nothing', 404],
      ['/ada/hello/tree/nothing', 404],
      ['/ada/hello/compare/main', 400],
      ['/ada/hello/compare/main...nothing', 404],
      ['/ada/hello/tree/%ff', 400],
    ] as const) {
      const response = await site.get(path);
      assert.equal(response.status, status, path);
      assert.match(await response.text(), /<nav aria-label="Repository">/, path);
    }
  });

  test('a repository that is busy asks for patience', async () => {
    agent.head = async () => {
      throw new PackhorseError('unavailable', 'The repository is busy.');
    };
    const response = await site.get('/ada/hello');
    Reflect.deleteProperty(agent, 'head');
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '5');
  });

  test('raw bytes cannot act in our origin, and stay for good under the id of a commit', async () => {
    const { headers } = await site.get('/ada/hello/raw/main/README.md');
    assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.match(headers.get('content-security-policy') ?? '', /sandbox/);
    assert.equal(headers.get('cache-control'), 'private, no-cache');
    const tag = headers.get('etag') ?? '';
    const lasting = await site.get(`/ada/hello/raw/${newestOid}/README.md`, { 'if-none-match': tag });
    assert.equal(lasting.status, 304);
    assert.match(lasting.headers.get('cache-control') ?? '', /^private.*immutable$/);
  });
});
