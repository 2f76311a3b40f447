import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readSettings, settingDefinitions, settingVariable } from '#base';
import { settingsPage } from '../../script/settings.ts';

test('docs/settings.md says what the table of settings says', () => {
  assert.equal(
    readFileSync('docs/settings.md', 'utf8'),
    settingsPage(),
    'run: node script/settings.ts > docs/settings.md',
  );
});

test('a setting is overridden by its variable, and a wrong value is refused by name', () => {
  assert.equal(settingVariable('http', 'maxHeaderBytes'), 'PACKHORSE_HTTP_MAX_HEADER_BYTES');
  assert.equal(readSettings({ PACKHORSE_HTTP_MAX_HEADER_BYTES: '1000' }).http.maxHeaderBytes, 1000);
  assert.equal(readSettings({}).http.maxHeaderBytes, settingDefinitions.http.maxHeaderBytes.default);
  for (const text of ['-1', '1.5', 'many']) {
    assert.throws(
      () => readSettings({ PACKHORSE_HTTP_MAX_HEADER_BYTES: text }),
      /PACKHORSE_HTTP_MAX_HEADER_BYTES/,
    );
  }
});
