import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { hasCode, readSettings, silentLog, type ErrorCode } from '#base';
import { startPostgres, type TestPostgres } from '#test/postgres';
import { waitUntil } from '#test/wait';
import { openDatabase, type Database } from './index.ts';

const settings = readSettings().database;
let postgres: TestPostgres;
let database: Database;

before(async () => {
  postgres = await startPostgres();
  database = await open();
});

after(async () => {
  await database.close();
  await postgres[Symbol.asyncDispose]();
});

function open(url = postgres.url, change: Partial<typeof settings> = {}): Promise<Database> {
  return openDatabase({ source: { url }, settings: { ...settings, ...change }, log: silentLog });
}

/** Without Prisma and without the room under test. */
async function sql(text: string, url = postgres.url): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

/** A fresh database on the same server. */
async function createDatabase(name: string): Promise<string> {
  await sql(`CREATE DATABASE ${name}`);
  return postgres.url.replace(/postgres$/, name);
}

const user = (key: string) => ({
  id: key,
  login: key,
  loginKey: key,
  email: key,
  emailKey: key,
  passwordHash: '',
});

function rejectsWith(promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}: ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

test('several nodes that start at once migrate a new database once', async () => {
  const url = await createDatabase('together');
  const databases = await Promise.all([open(url), open(url), open(url)]);
  await Promise.all(databases.map((each) => each.close()));
  const rows = await sql('SELECT migration_name, count(*)::int FROM _prisma_migrations GROUP BY 1', url);
  assert.ok(rows.length > 0);
  assert.ok(rows.every(({ count }) => count === 1));
});

test('a database of a newer release is refused, and left as it is', async () => {
  const url = await createDatabase('newer');
  await (await open(url)).close();
  await sql(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '9_later', now())`,
    url,
  );
  await rejectsWith(open(url), 'failed_precondition', /newer release/);
  assert.deepEqual(await sql('SELECT count(*)::int FROM "user"', url), [{ count: 0 }]);
});

test('a migration that fails leaves nothing of itself, and the next start tries it again', async () => {
  const url = await createDatabase('failing');
  // In the way of the first migration, after it has made other things.
  await sql('CREATE TABLE "ssh_key" ()', url);
  await rejectsWith(open(url), 'internal', /database/);
  assert.deepEqual(await sql(`SELECT to_regclass('"user"') AS found`, url), [{ found: null }]);
  await sql('DROP TABLE "ssh_key"', url);
  await (await open(url)).close();
});

test('a URL that is none is refused without repeating what may be a password', async () => {
  for (const url of ['mysql://me:secret@host/db', 'secret']) {
    await assert.rejects(open(url), (error: unknown) => {
      assert.ok(hasCode(error, 'invalid_argument'));
      assert.doesNotMatch(`${error.message} ${JSON.stringify(error.metadata)}`, /secret/);
      return true;
    });
  }
});

test('a wrong password and a missing database are told apart from a server that is down', async () => {
  const wrongPassword = new URL(postgres.url);
  wrongPassword.password = 'wrong';
  await rejectsWith(open(wrongPassword.href), 'failed_precondition', /refused the connection/);
  await rejectsWith(open(postgres.url.replace(/postgres$/, 'missing')), 'failed_precondition', /refused/);
});

test('a database that is not UTF8 is refused', async () => {
  await sql(`CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
  await rejectsWith(open(postgres.url.replace(/postgres$/, 'latin')), 'failed_precondition', /UTF8/);
});

test('times come back as they were written, whatever the time zone of the server', async () => {
  const url = await createDatabase('elsewhere');
  await sql(`ALTER DATABASE elsewhere SET timezone TO 'Asia/Kathmandu'`);
  const elsewhere = await open(url);
  try {
    const createdAt = new Date('2026-03-29T01:30:00.123Z');
    const data = { ...user('time'), createdAt };
    assert.deepEqual((await elsewhere.run((client) => client.user.create({ data }))).createdAt, createdAt);
    const rows = await sql(`SELECT extract(epoch FROM created_at)::float8 * 1000 AS ms FROM "user"`, url);
    assert.deepEqual(rows, [{ ms: createdAt.getTime() }]);
  } finally {
    await elsewhere.close();
  }
});

test('a second row of the same key is `already_exists` and names the index', async () => {
  await database.run((client) => client.user.create({ data: user('twice') }));
  await assert.rejects(
    database.run((client) => client.user.create({ data: { ...user('twice'), id: 'other' } })),
    (error: unknown) => {
      assert.ok(hasCode(error, 'already_exists'));
      assert.equal(error.metadata['constraint'], 'user_login_key_key');
      return true;
    },
  );
});

test('what refers to something that is gone is `not_found`', async () => {
  const data = { hash: new Uint8Array(32), userId: 'nobody', expiresAt: new Date(0) };
  await rejectsWith(
    database.run((client) => client.webSession.create({ data })),
    'not_found',
    /does not exist/,
  );
});

test('the database itself refuses a login whose key is another name', async () => {
  await rejectsWith(
    database.run((client) => client.user.create({ data: { ...user('Mallory'), loginKey: 'ada' } })),
    'internal',
    /database/,
  );
});

test('a transaction that throws leaves nothing, and its error is passed on', async () => {
  const reason = new Error('changed my mind');
  await assert.rejects(
    database.transaction(async (client) => {
      await client.user.create({ data: user('undone') });
      throw reason;
    }),
    (error: unknown) => hasCode(error, 'internal') && error.cause === reason,
  );
  assert.equal(await database.run((client) => client.user.count({ where: { id: 'undone' } })), 0);
});

test('a statement that runs too long is `deadline_exceeded`', async () => {
  const impatient = await open(postgres.url, { statementTimeoutMs: 50 });
  try {
    await rejectsWith(
      impatient.run((client) => client.$queryRaw`SELECT 1 FROM pg_sleep(30)`),
      'deadline_exceeded',
      /too long/,
    );
  } finally {
    await impatient.close();
  }
});

test('a server that goes away is `unavailable`, and is used again once it is back', async () => {
  const running = database.run((client) => client.$queryRaw`SELECT 1 FROM pg_sleep(60)`);
  const lost = rejectsWith(running, 'unavailable', /Try again/);
  await waitUntil('the statement runs', async () => {
    const rows = await sql(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT 1 FROM pg_sleep(60)%'`);
    return rows.length === 1;
  });
  await postgres.stop();
  await lost;
  await rejectsWith(
    database.run((client) => client.user.count()),
    'unavailable',
    /Try again/,
  );
  await rejectsWith(open(postgres.url, { startTimeoutMs: 0 }), 'unavailable', /Try again/);
  const waiting = open();
  await postgres.start();
  await (await waiting).close();
  assert.equal(await database.run((client) => client.user.count({ where: { id: 'twice' } })), 1);
});
