import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { BrowserContext } from 'playwright-core';
import { git } from '#test/git';
import { addManyFiles, hostileName, oddRepository } from './odd-repository.ts';
import { WebScene } from './web-scene.ts';

/** What is looked at of each page, in the page itself. */
interface Found {
  readonly links: readonly string[];
  /** Of documents, and to other branches: there may be nothing at them. */
  readonly looseLinks: readonly string[];
  /** Elements and attributes that only a page that forgot to escape something has. */
  readonly foreign: readonly string[];
  readonly ran: boolean;
}

const inspect = `(() => ({
  links: [...document.querySelectorAll('a[href]:not(.document a, .switcher li a)')].map((link) => link.href),
  looseLinks: [...document.querySelectorAll('.document a[href], .switcher li a[href]')].map((link) => link.href),
  foreign: [...document.querySelectorAll('*')].flatMap((element) => [
    ...(['SCRIPT', 'IFRAME', 'OBJECT', 'STYLE', 'BASE'].includes(element.tagName) ? [element.outerHTML] : []),
    ...[...element.attributes].filter(({ name, value }) => name.startsWith('on') || /^\\s*javascript:/i.test(value)).map(({ name, value }) => name + '=' + value),
  ]),
  ran: window.ran === true,
}))()`;

/** More pages than a repository of this size has: past it links make more of themselves. */
const maxPages = 700;

suite('a repository with everything odd in it', () => {
  let scene: WebScene;
  let workTree: string;

  before(async () => {
    [scene, workTree] = await Promise.all([WebScene.open(), oddRepository()]);
    await addManyFiles(workTree, 'many', 2_100);
    await scene.publish('ada/odd', workTree, ['refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*']);
  });

  after(async () => {
    await scene?.[Symbol.asyncDispose]();
  });

  /** With scripts, and without the policy that would stop them: escaping alone has to do. */
  async function careless(): Promise<BrowserContext> {
    const context = await scene.browser.newContext({ bypassCSP: true });
    await context.addInitScript('window.owned = () => { window.ran = true; };');
    return context;
  }

  test('every link of every page leads somewhere, and nothing that it shows runs', async () => {
    const context = await careless();
    const page = await context.newPage();
    const waiting = ['/'];
    const seen = new Set(waiting);
    const loose = new Set<string>();
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const response = await page.goto(scene.server.httpUrl + path, { waitUntil: 'domcontentloaded' });
      assert.ok(
        response !== null && response.status() < (loose.has(path) ? 500 : 400),
        `${path}: ${response?.status()}`,
      );
      if (!(response.headers()['content-type'] ?? '').startsWith('text/html')) continue;
      const found = await page.evaluate<Found>(inspect);
      assert.deepEqual([found.foreign, found.ran], [[], false], path);
      // What is at one branch is at every other revision too: those are looked at, but not walked through.
      if (/\/(?:tree|blob|history)\/(?!main)/.test(path)) continue;
      for (const link of [...found.links, ...found.looseLinks]) {
        const { origin, pathname, search } = new URL(link);
        const isOurs = origin === scene.server.httpUrl && !pathname.includes('/raw/');
        // Of many files that are alike, one is enough.
        const isAlike = /\/file-\d+$/.test(pathname) && !pathname.endsWith('file-000000');
        if (!isOurs || isAlike || seen.has(pathname + search)) continue;
        seen.add(pathname + search);
        if (!found.links.includes(link)) loose.add(pathname + search);
        waiting.push(pathname + search);
      }
      assert.ok(seen.size <= maxPages, `${seen.size} pages, the last ${path}`);
    }
    assert.ok(seen.size > 100, String(seen.size));
    await context.close();
  });

  test('files that are no plain text say what they are', async () => {
    const says = async (path: string): Promise<string> =>
      (await scene.page(`/ada/odd/blob/main/${path}`)).locator('main').innerText();
    assert.match(await says('empty'), /This file is empty/);
    assert.match(await says('binary.bin'), /This is a binary file/);
    assert.match(await says('crlf.txt'), /CRLF line endings/);
    assert.match(await says('latin1.txt'), /not UTF-8, shown as Windows-1252[^]*café/);
    assert.match(await says('bidi.txt'), /characters that change the direction of text/);
    assert.match(await says('run.sh'), /executable/);
    assert.match(await says('link-out'), /symbolic link to \/etc\/passwd/);
    assert.match(
      await says('vendor/lib'),
      /https:\/\/example\.com\/lib\.git belongs here, at commit [0-9a-f]{40}/,
    );
    assert.match(await says(encodeURIComponent(hostileName)), /hostile/);
  });

  test('a symbolic link leads on, and a section of a document is found', async () => {
    const page = await scene.page('/ada/odd/blob/main~5/link');
    await page.getByRole('link', { name: 'src/main.c' }).click();
    assert.match(await page.getByRole('region', { name: 'File content' }).innerText(), /return 0;/);
    await page.goto(`${scene.server.httpUrl}/ada/odd`);
    await page.getByRole('link', { name: 'the end' }).click();
    assert.equal(await page.locator(':target').innerText(), 'The end');
    await page.getByRole('link', { name: 'the guide' }).click();
    assert.equal(await page.locator(':target').innerText(), 'Intro');
  });

  test('the same page is seen at another branch, and at a commit for good', async () => {
    const page = await scene.page('/ada/odd/blob/main/README.md');
    await page.getByText('Branch main').click();
    await page.getByRole('link', { name: 'feature/x', exact: true }).click();
    assert.equal(new URL(page.url()).pathname, '/ada/odd/blob/refs/heads/feature/x/README.md');
    await page.getByRole('link', { name: 'Permalink' }).click();
    const oid = await git(['rev-parse', 'feature/x'], { cwd: workTree });
    assert.equal(new URL(page.url()).pathname, `/ada/odd/blob/${oid}/README.md`);
    await page.getByText(`Commit ${oid.slice(0, 10)}`).waitFor();
  });

  test('a large directory comes in pages', async () => {
    const page = await scene.page('/ada/odd/tree/main/many');
    assert.equal(await page.getByRole('link', { name: /^file-/ }).count(), 1_000);
    await page.getByRole('link', { name: 'Next' }).click();
    await page.getByRole('link', { name: 'Next' }).click();
    assert.equal(await page.getByRole('link', { name: /^file-/ }).count(), 100);
    await page.getByText('2,001 to 2,100 of 2,100 entries').waitFor();
  });

  test('branches are compared from where they parted', async () => {
    const page = await scene.page('/ada/odd/compare');
    await page.getByLabel('To', { exact: true }).fill('refs/heads/feature/x');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.getByText('feature/x is 0 commits ahead').waitFor();
    await page.getByRole('link', { name: 'The other way round' }).click();
    assert.match(await page.locator('main').innerText(), /main is \d+ commits ahead of feature\/x\./);
    await page.getByRole('link', { name: 'Rename', exact: true }).waitFor();
    assert.match(await page.getByRole('heading', { name: /file.* changed/ }).innerText(), /files changed/);
  });

  test('history goes on under the earlier name, and after the end of a file', async () => {
    const page = await scene.page('/ada/odd/history/main/src/renamed.c');
    await page.getByRole('link', { name: 'src/main.c' }).click();
    await page.getByRole('heading', { name: 'History of src/main.c' }).waitFor();
    await page.goto(`${scene.server.httpUrl}/ada/odd/history/main/no-newline`);
    await page.getByText('There is nothing at this path any more.').waitFor();
    await page.getByRole('link', { name: 'Delete', exact: true }).waitFor();
  });

  test('tags show their messages, and those of files what they name', async () => {
    const page = await scene.page('/ada/odd/refs');
    await page.getByRole('link', { name: 'Message of v1.0' }).click();
    assert.match(await page.locator('main').innerText(), /One "'><img src=x/);
    await page.goto(`${scene.server.httpUrl}/ada/odd/tag/a-file`);
    assert.match(await page.locator('main').innerText(), /Names a blob/);
  });

  test('a commit says what happened to each file besides its lines', async () => {
    const page = await scene.page('/ada/odd/commit/main~4');
    assert.match(
      await page.locator('main').innerText(),
      /src\/main\.c → src\/renamed\.c[^]*renamed[^]*The content is the same/,
    );
    await page.goto(`${scene.server.httpUrl}/ada/odd/commit/main~5`);
    assert.match(await page.locator('main').innerText(), /run\.sh[^]*mode 100644 → 100755/);
    await page.goto(`${scene.server.httpUrl}/ada/odd/commit/main~2`);
    assert.match(await page.locator('main').innerText(), /This is a merge/);
  });
});
