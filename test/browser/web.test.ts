import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { httpUrl } from '#test/doors';
import { commitFiles, git, newWorkTree } from '#test/git';
import type { Packhorse } from '#test/packhorse';
import { newSshKey } from '#test/ssh';
import { pixel } from './odd-repository.ts';
import { WebScene } from './web-scene.ts';

const files = {
  'README.md':
    '# Hello *there*\n\nSee the [guide](docs/guide.md).\n\n<script>document.title = "owned"</script>\n',
  'docs/guide.md': 'First.\n',
  'src/main.c': '/* main\n   entry */\nint main(void) { return 1 < 2; }\n',
  'page.html': '<script>document.title = "owned"</script>',
  'pixel.png': pixel,
  'odd name & <b>.txt': 'plain\n',
};

suite('the web in a real browser, with JavaScript switched off', () => {
  let scene: WebScene;
  let server: Packhorse;
  let workTree: string;

  before(async () => {
    [scene, workTree] = await Promise.all([WebScene.open(), newWorkTree()]);
    server = scene.server;
    await commitFiles(workTree, files, 'Add files\n\nWith a longer explanation.');
    await commitFiles(workTree, { 'docs/guide.md': 'Second.\n' }, 'Change the guide');
    await git(['branch', 'feature/x'], { cwd: workTree });
    await git(['tag', '-a', 'v1.0', '-m', 'One'], { cwd: workTree });
    const refs = ['HEAD:refs/heads/main', 'feature/x', 'v1.0'];
    await scene.publish('ada/hello', workTree, refs);
    await scene.publish('ada/secret', workTree, refs, { private: true });
  });

  after(async () => {
    await scene?.[Symbol.asyncDispose]();
  });

  test('a visitor walks from the list to the README, a directory, a file and back', async () => {
    const page = await scene.page('/');
    assert.equal(await page.getByRole('link', { name: 'ada/secret' }).count(), 0);
    await page.getByRole('link', { name: 'ada/hello' }).click();
    await page.getByRole('heading', { name: 'Hello there' }).waitFor();
    await page.getByRole('link', { name: 'src/' }).click();
    await page.getByRole('link', { name: 'main.c' }).click();
    assert.match(await page.getByRole('region', { name: 'File content' }).innerText(), /return 1 < 2;/);
    assert.equal(new URL(page.url()).pathname, '/ada/hello/blob/main/src/main.c');
    await page.getByRole('navigation', { name: 'Path' }).getByRole('link', { name: 'hello' }).click();
    await page.getByRole('link', { name: 'odd name & <b>.txt' }).click();
    assert.match(await page.getByRole('region', { name: 'File content' }).innerText(), /plain/);
  });

  test('each file is shown with the commit that last changed it', async () => {
    const page = await scene.page('/ada/hello');
    assert.match(await page.getByRole('row', { name: 'docs/' }).innerText(), /Change the guide/);
    assert.match(await page.getByRole('row', { name: 'src/' }).innerText(), /Add files/);
  });

  test('a branch with a slash, a tag and a commit are places to look from', async () => {
    for (const revision of ['feature/x', 'v1.0', await git(['rev-parse', 'HEAD'], { cwd: workTree })]) {
      const page = await scene.page(`/ada/hello/blob/${revision}/docs/guide.md`);
      assert.match(
        await page.getByRole('region', { name: 'File content' }).innerText(),
        /Second\./,
        revision,
      );
    }
    const refs = await scene.page('/ada/hello/refs');
    await refs.getByRole('link', { name: 'feature/x', exact: true }).click();
    await refs.getByRole('link', { name: 'pixel.png' }).waitFor();
  });

  test('history leads to a commit and its changes', async () => {
    const page = await scene.page('/ada/hello/history/main/docs/guide.md');
    assert.equal(await page.getByRole('listitem').filter({ hasText: 'Begin' }).count(), 0);
    await page.getByRole('link', { name: 'Change the guide' }).click();
    const change = page.getByRole('region', { name: 'Changes of docs/guide.md' });
    assert.match(await change.innerText(), /-First\.[^]*\+Second\./);
    assert.match(await page.getByRole('heading', { name: '1 file changed' }).innerText(), /\+1[^]*−1/);
    await page.goto(`${server.httpUrl}/ada/hello/history/main`);
    await page.getByRole('link', { name: 'Begin' }).click();
    await page.getByRole('link', { name: 'README.md' }).first().waitFor();
  });

  test('nothing that a repository holds runs in our origin', async () => {
    const scripted = await scene.browser.newContext();
    const readme = await scene.page('/ada/hello', scripted);
    assert.doesNotMatch(await readme.title(), /owned/);
    const raw = await scripted.newPage();
    const response = await raw.goto(`${server.httpUrl}/ada/hello/raw/main/page.html`);
    assert.equal(response?.headers()['content-type'], 'text/plain; charset=utf-8');
    assert.doesNotMatch(await raw.title(), /owned/);
    assert.match(await raw.locator('body').innerText(), /<script>/);
    const blob = await scene.page('/ada/hello/blob/main/page.html', scripted);
    assert.doesNotMatch(await blob.title(), /owned/);
    await scripted.close();
  });

  test('an image is shown', async () => {
    const scripted = await scene.browser.newContext();
    const page = await scene.page('/ada/hello/blob/main/pixel.png', scripted);
    const width = await page
      .getByAltText('pixel.png')
      .evaluate((image) => Reflect.get(image, 'naturalWidth') as number);
    assert.equal(width, 1);
    await scripted.close();
  });

  test('a private repository is shown to its owner, and is not there for anyone else', async () => {
    const anonymous = await scene.page('/ada/secret');
    assert.equal(new URL(anonymous.url()).pathname, '/login');
    const stranger = await scene.page('/ada/secret', await scene.signedIn(scene.eve));
    await stranger.getByRole('heading', { name: 'Not found' }).waitFor();
    const owner = await scene.page('/ada/secret', await scene.signedIn(scene.ada));
    await owner.getByRole('heading', { name: 'Hello there' }).waitFor();
  });

  test('a wrong password is refused with a sentence, and signing out ends the session', async () => {
    const context = await scene.browser.newContext({ javaScriptEnabled: false });
    const page = await scene.page('/login', context);
    await page.getByLabel('Name').fill('ada');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    assert.notEqual(await page.getByRole('alert').innerText(), '');
    const member = await scene.signedIn(scene.ada);
    const home = await scene.page('/', member);
    await home.getByRole('button', { name: 'Sign out' }).click();
    await home.getByRole('link', { name: 'Sign in' }).waitFor();
    await home.goto(`${server.httpUrl}/ada/secret`);
    assert.equal(new URL(home.url()).pathname, '/login');
  });

  test('a repository, a key and a token are made in the browser, and git works with them', async () => {
    const context = await scene.signedIn(scene.ada);
    const page = await scene.page('/new', context);
    await page.getByLabel('Name').fill('from-the-web');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'This repository is empty' }).waitFor();
    await page.goto(`${server.httpUrl}/settings`);
    const key = await newSshKey();
    await page.getByLabel('Public key').fill(key.publicKey);
    await page.getByRole('button', { name: 'Add key' }).click();
    assert.match(await page.getByRole('status').innerText(), /SHA256:/);
    await page.locator('#token-name').fill('laptop');
    await page.getByRole('button', { name: 'Create token' }).click();
    const token = await page.getByRole('status').locator('code').innerText();
    await git(
      ['push', '--quiet', httpUrl(server, 'ada', token, 'ada/from-the-web'), 'HEAD:refs/heads/main'],
      {
        cwd: workTree,
      },
    );
    await page.goto(`${server.httpUrl}/ada/from-the-web`);
    await page.getByRole('heading', { name: 'Hello there' }).waitFor();
  });

  test('an owner invites somebody to a private repository, and deletes one', async () => {
    const context = await scene.signedIn(scene.ada);
    const page = await scene.page('/new', context);
    await page.getByLabel('Name').fill('shared');
    await page.getByLabel(/Private:/).check();
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('link', { name: 'Settings' }).last().click();
    await page.getByLabel('Name').fill('eve');
    await page.getByLabel('Role').selectOption('reader');
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'Remove eve' }).waitFor();
    const guest = await scene.page('/ada/shared', await scene.signedIn(scene.eve));
    await guest.getByRole('heading', { name: 'This repository is empty' }).waitFor();
    assert.equal(await guest.getByRole('link', { name: 'Settings' }).count(), 1);
    await page.getByLabel('Type shared to confirm').fill('shared');
    await page.getByRole('button', { name: 'Delete this repository' }).click();
    await page.goto(`${server.httpUrl}/ada/shared`);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
  });

  test('a form that another site sends is refused', async () => {
    const context = await scene.signedIn(scene.ada);
    const answer = await context.request.post(`${server.httpUrl}/new`, {
      headers: { origin: 'https://evil.example' },
      form: { name: 'forged' },
    });
    assert.equal(answer.status(), 403);
    const page = await scene.page('/ada/forged', context);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
  });
});
