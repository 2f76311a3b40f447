import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasCode } from '#base';
import { pendingMigrations, readMigrations, type Migration } from './migrations.ts';

const [first, second]: readonly [Migration, Migration] = [
  { name: '1_first', sql: 'SELECT 1', checksum: 'a' },
  { name: '2_second', sql: 'SELECT 2', checksum: 'b' },
];
const finished = new Date(0);
const applied = (migration: Migration, change: object = {}) => ({
  migration_name: migration.name,
  checksum: migration.checksum,
  finished_at: finished,
  ...change,
});

test('an empty database takes every migration, in order', () => {
  assert.deepEqual(pendingMigrations([first, second], []), [first, second]);
});

test('only what was not applied yet is pending', () => {
  assert.deepEqual(pendingMigrations([first, second], [applied(first)]), [second]);
  assert.deepEqual(pendingMigrations([first, second], [applied(first), applied(second)]), []);
});

for (const [what, migrations, rows, sentence] of [
  ['a newer release has migrated', [first], [applied(first), applied(second)], /newer release/],
  ['has an edited migration', [first], [applied(first, { checksum: 'x' })], /changed after/],
  ['has an unfinished migration', [first], [applied(first, { finished_at: null })], /did not finish/],
] as const) {
  test(`a database that ${what} is refused`, () => {
    assert.throws(
      () => pendingMigrations(migrations, rows),
      (error: unknown) => {
        assert.ok(hasCode(error, 'failed_precondition'));
        assert.match(error.message, sentence);
        return true;
      },
    );
  });
}

test('the migrations of this release are read in order, each with the checksum of its file', async () => {
  const migrations = await readMigrations();
  assert.equal(migrations[0]?.name, '20261120000000_accounts');
  assert.deepEqual(
    migrations.map(({ name }) => name),
    migrations.map(({ name }) => name).toSorted(),
  );
  for (const { name, sql, checksum } of migrations) {
    assert.equal(sql, readFileSync(`prisma/migrations/${name}/migration.sql`, 'utf8'));
    assert.match(checksum, /^[0-9a-f]{64}$/);
  }
});
