import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { PackhorseError } from '#base';
import { cookieOf, Site } from '#test/web-site';

suite('sessions and forms', () => {
  let site: Site;

  before(async () => {
    site = new Site();
    await site.open();
  });

  after(() => site[Symbol.asyncDispose]());

  test('a session is a cookie that no script reads and no other site sends', async () => {
    const plain = await site.signIn('ada');
    assert.match(plain, /^packhorse=/);
    await using secure = new Site({ secureCookies: true });
    await secure.open();
    const bound = await secure.signIn('ada');
    assert.match(bound, /^__Host-packhorse=/);
    assert.match(bound, /; Secure/);
    for (const cookie of [plain, bound]) assert.match(cookie, /; Path=\/; HttpOnly;? ?.*SameSite=Lax/);
  });

  test('signing in opens a new session and ends the one that was there', async () => {
    const before = cookieOf(await site.signIn('ada', { cookie: 'packhorse=planted' }));
    assert.notEqual(before, 'packhorse=planted');
    const later = cookieOf(await site.signIn('ada', { cookie: before }));
    assert.notEqual(later, before);
    assert.equal((await site.get('/ada/secret', { cookie: before })).status, 303);
    assert.equal((await site.get('/ada/secret', { cookie: later })).status, 200);
    assert.equal((await site.post('/logout', {}, { cookie: later })).status, 303);
    assert.equal((await site.get('/ada/secret', { cookie: later })).status, 303);
  });

  test('signing in leads back to the page, and never to another site', async () => {
    for (const [asked, led] of [
      ['/ada/secret?x=1', '/ada/secret?x=1'],
      ['//evil.example', '/'],
      ['/\t/evil.example', '/'],
      ['https://evil.example', '/'],
    ] as const) {
      const response = await site.post('/login', { login: 'ada', password: 'secret', return: asked });
      assert.equal(response.headers.get('location'), led, asked);
      const cookie = cookieOf(response.headers.get('set-cookie') ?? '');
      const again = await site.get(`/login?return=${encodeURIComponent(asked)}`, { cookie });
      assert.deepEqual([again.status, again.headers.get('location')], [303, led], asked);
    }
  });

  test('too many wrong passwords, or a server that is too busy to check one, are told apart', async () => {
    await using site = new Site();
    await site.open();
    for (const [code, status, retryAfter] of [
      ['unauthenticated', 401, null],
      ['resource_exhausted', 429, '60'],
      ['unavailable', 503, '5'],
    ] as const) {
      site.accounts.authenticator.byPassword = async () => {
        throw new PackhorseError(code, `It is <${code}>.`);
      };
      const response = await site.post('/login', { login: '"><b>', password: 'x' });
      assert.deepEqual([response.status, response.headers.get('retry-after')], [status, retryAfter]);
      assert.equal(response.headers.get('set-cookie'), null);
      const text = await response.text();
      assert.match(text, new RegExp(`It is &lt;${code}&gt;`));
      assert.match(text, /value="&quot;&gt;&lt;b&gt;"/);
    }
  });

  test('no form acts for another site, whichever it is', async () => {
    const cookie = cookieOf(await site.signIn('ada'));
    const forms = [
      '/login',
      '/logout',
      '/new',
      '/settings/keys',
      '/settings/keys/remove',
      '/settings/tokens',
      '/settings/tokens/revoke',
      '/settings/password',
      '/ada/hello/settings',
      '/ada/hello/settings/people',
      '/ada/hello/settings/delete',
    ];
    for (const form of forms) {
      for (const origin of ['https://evil.example', 'null', `${site.origin}.evil.example`]) {
        assert.equal(
          (await site.post(form, { confirm: 'hello' }, { cookie, origin })).status,
          403,
          `${form} ${origin}`,
        );
      }
    }
    assert.equal((await site.get('/ada/hello')).status, 200);
    // A proxy that ends TLS shows us another scheme than the browser sees.
    const proxied = await site.post(
      '/new',
      { name: 'proxied' },
      { cookie, origin: 'https://git.example.org' },
    );
    assert.equal(proxied.status, 303);
  });
});
