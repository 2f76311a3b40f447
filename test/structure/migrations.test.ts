import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings, silentLog } from '#base';
import { openDatabase } from '#db';
import { startPostgres } from '#test/postgres';
import { run } from '#test/processes';

async function prisma(args: readonly string[], databaseUrl: string): Promise<string> {
  const env = { ...process.env, DATABASE_URL: databaseUrl, NO_COLOR: '1' };
  const { code, stdout, stderr } = await run(process.execPath, ['script/prisma.ts', ...args], { env });
  assert.equal(code, 0, `prisma ${args.join(' ')}:\n${stderr}${stdout.toString()}`);
  return stdout.toString();
}

test('the migrations add up to schema.prisma, and Prisma agrees with how the server applied them', async () => {
  await using postgres = await startPostgres();
  const settings = readSettings().database;
  const database = await openDatabase({ source: { url: postgres.url }, settings, log: silentLog });
  await database.close();

  assert.match(await prisma(['migrate', 'status'], postgres.url), /Database schema is up to date/);
  const toSchema = ['--to-schema', 'prisma/schema.prisma', '--exit-code'];
  const fromMigrations = ['migrate', 'diff', '--from-migrations', 'prisma/migrations', ...toSchema];
  assert.match(await prisma(fromMigrations, postgres.url), /No difference/);
  const fromDatabase = ['migrate', 'diff', '--from-config-datasource', ...toSchema];
  assert.match(await prisma(fromDatabase, postgres.url), /No difference/);
});
