import assert from 'node:assert/strict';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base';
import { newBareRepository, testStorage } from '#test/disk-repository';
import { git } from '#test/git';
import { asBool, ConfigValues, parseConfigList, RepositoryConfig } from './repository-config.ts';

test('values are found as git finds them: any case, the last one in force, through includes', async () => {
  const bare = await newBareRepository();
  writeFileSync(
    join(bare, 'more'),
    '[Receive]\n\tDenyDeletes\n[url "https://Example.org/"]\n\tinsteadOf = ex:\n',
  );
  await git(['config', 'include.path', 'more'], { cwd: bare });
  await git(['config', '--add', 'transfer.hideRefs', 'refs/a'], { cwd: bare });
  await git(['config', '--add', 'transfer.hideRefs', '!refs/a/b'], { cwd: bare });
  const values = await new RepositoryConfig(testStorage(), bare).values();
  assert.deepEqual(values.all('transfer.hiderefs'), ['refs/a', '!refs/a/b']);
  assert.equal(values.last('TRANSFER.HideRefs'), '!refs/a/b');
  assert.equal(values.bool('receive.denyDeletes', false), true);
  assert.equal(values.last('url.https://Example.org/.insteadof'), 'ex:');
  assert.equal(values.last('url.https://example.org/.insteadof'), undefined);
  assert.equal(
    values.last('core.hooksPath'),
    undefined,
    'what we force on git is not the config of the repository',
  );
});

test('a change of the config, or of a file that it includes, is seen at once', async () => {
  const bare = await newBareRepository();
  writeFileSync(join(bare, 'more'), '');
  await git(['config', 'include.path', 'more'], { cwd: bare });
  const config = new RepositoryConfig(testStorage(), bare);
  assert.equal((await config.values()).last('a.b'), undefined);
  await git(['config', 'a.b', '1'], { cwd: bare });
  assert.equal((await config.values()).last('a.b'), '1');
  appendFileSync(join(bare, 'more'), '[c]\n\td = 2\n');
  assert.equal((await config.values()).last('c.d'), '2');
});

test('git is asked again only after a change', async () => {
  const bare = await newBareRepository();
  // A clock that is ahead makes every time stamp look old enough to be trusted.
  const clock = {
    nowMs: () => Date.now() + 60_000,
    monotonicMs: () => Date.now() + 60_000,
    after: () => () => undefined,
  };
  const config = new RepositoryConfig(testStorage({ clock }), bare);
  assert.equal(await config.values(), await config.values());
});

test('a config that git cannot read is an error that says so', async () => {
  const bare = await newBareRepository();
  writeFileSync(join(bare, 'config'), '[core\n');
  await assert.rejects(new RepositoryConfig(testStorage(), bare).values(), (error) =>
    hasCode(error, 'failed_precondition'),
  );
  assert.ok(existsSync(join(bare, 'config')));
});

test('truth values and numbers are read as git reads them', () => {
  for (const text of ['true', 'YES', 'on', '1', '7']) assert.equal(asBool(text), true, text);
  for (const text of ['false', 'No', 'off', '0', '']) assert.equal(asBool(text), false, text);
  for (const text of ['warn', 'refuse', undefined]) assert.equal(asBool(text), undefined, text);
  const values = new ConfigValues([
    ['a.k', '2k'],
    ['a.m', ' 3M '],
    ['a.g', '1g'],
    ['a.n', '12'],
    ['a.x', '-1'],
  ]);
  assert.deepEqual(
    ['a.k', 'a.m', 'a.g', 'a.n', 'a.x', 'a.none'].map((key) => values.integer(key)),
    [2048, 3 << 20, 1 << 30, 12, undefined, undefined],
  );
});

test('what the environment set is no part of the list', () => {
  const { entries, origins } = parseConfigList(
    [
      ['local', 'file:/r/config', 'core.bare\ntrue'],
      ['command', 'command line:', 'core.bare\nfalse'],
      ['local', 'file:/r/config', 'a.flag'],
    ]
      .flat()
      .map((field) => `${field}\0`)
      .join(''),
    '/r/HEAD',
  );
  assert.deepEqual(entries, [
    ['core.bare', 'true'],
    ['a.flag', undefined],
  ]);
  assert.equal(new ConfigValues(entries).last('a.flag'), 'true');
  assert.deepEqual([...origins], ['/r/config']);
});
