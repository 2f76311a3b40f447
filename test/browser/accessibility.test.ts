import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { oddRepository } from './odd-repository.ts';
import { WebScene } from './web-scene.ts';

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

const publicPages = [
  '/',
  '/ada',
  '/login',
  '/nowhere/at/all',
  '/ada/empty',
  '/ada/odd',
  '/ada/odd/tree/main/docs',
  '/ada/odd/blob/main/README.md',
  '/ada/odd/blob/main/README.md?plain',
  '/ada/odd/blob/main/bidi.txt',
  '/ada/odd/blob/main/pixel.png',
  '/ada/odd/blob/main/binary.bin',
  '/ada/odd/blob/main/link',
  '/ada/odd/blob/main/vendor/lib',
  '/ada/odd/blob/main/nothing',
  '/ada/odd/history/main',
  '/ada/odd/history/main/src/renamed.c',
  '/ada/odd/commit/main',
  '/ada/odd/commit/main~1',
  '/ada/odd/commit/main~2',
  '/ada/odd/refs',
  '/ada/odd/tag/v1.0',
  '/ada/odd/tag/a-file',
  '/ada/odd/compare',
  '/ada/odd/compare/feature/x...main',
  '/ada/odd/compare/feature/x...nothing',
];

const personalPages = ['/', '/new', '/settings', '/ada/odd/settings', '/ada/empty'];

suite('every page is accessible', () => {
  let scene: WebScene;

  before(async () => {
    scene = await WebScene.open();
    await scene.publish('ada/odd', await oddRepository(), [
      'refs/heads/*:refs/heads/*',
      'refs/tags/*:refs/tags/*',
    ]);
    await scene.server.createRepository('ada/empty');
  });

  after(async () => {
    await scene?.[Symbol.asyncDispose]();
  });

  /** What axe finds on one page, with the folded parts of documents and diffs open. */
  async function violations(page: Page, path: string): Promise<readonly string[]> {
    await page.goto(`${scene.server.httpUrl}${path}`);
    await page.evaluate(axe.source);
    const found = await page.evaluate<readonly Violation[]>(`
      for (const details of document.querySelectorAll('details:not([name])')) details.open = true;
      axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations);
    `);
    return found.map(
      ({ id, nodes }) =>
        `${path}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`).join('; ')}`,
    );
  }

  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ] as const) {
    test(`in ${colorScheme} colours, ${width} pixels wide`, async () => {
      // Scripts are only the test's: the policy of the page would keep them out.
      const context = await scene.browser.newContext({
        colorScheme,
        viewport: { width, height: 900 },
        bypassCSP: true,
      });
      const page = await context.newPage();
      const found: string[] = [];
      for (const path of publicPages) found.push(...(await violations(page, path)));
      const session = await scene.signedIn(scene.ada);
      await context.addCookies(await session.cookies());
      for (const path of personalPages) found.push(...(await violations(page, path)));
      assert.deepEqual(found, []);
      await Promise.all([context.close(), session.close()]);
    });
  }

  test('the keyboard reaches the content first, then the page in its order', async () => {
    const page = await scene.page('/ada/odd');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').innerText(), 'Skip to content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').innerText(), 'ada');
  });
});
