import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from 'pg';
import { hasCode, readSettings, silentLog } from '#base';
import { startProcess } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import { openDatabase, type Database } from '../index.ts';

const settings = readSettings().database;
/** Deeper than a socket's path may be long. */
const directory = join(temporaryDirectory('embedded'), 'a-directory-with-a-long-name/'.repeat(5), 'postgres');
const dataDirectory = join(directory, 'data');
let database: Database;

function open(): Promise<Database> {
  return openDatabase({ source: { embeddedDirectory: directory }, settings, log: silentLog });
}

function postmasterPid(): number {
  return Number.parseInt(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10);
}

/** A process that ended but was not reaped yet has no program any more. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}

/** A connection beside the server's own. */
async function connect(): Promise<Client> {
  const handle = openSync(directory, 'r');
  const host = `/proc/self/fd/${handle}`;
  const client = new Client({ host, port: 5432, user: 'packhorse', database: 'postgres' });
  client.on('error', () => undefined);
  await client.connect();
  closeSync(handle);
  return client;
}

async function parameter(name: string): Promise<unknown> {
  const rows = await database.run((client) =>
    client.$queryRawUnsafe<{ value: string }[]>(`SELECT current_setting('${name}') AS value`),
  );
  return rows[0]?.value;
}

async function addUser(key: string): Promise<void> {
  const data = { id: key, login: key, loginKey: key, email: key, emailKey: key, passwordHash: '' };
  await database.run((client) => client.user.create({ data }));
}

async function hasUser(key: string): Promise<boolean> {
  return (await database.run((client) => client.user.count({ where: { id: key } }))) === 1;
}

/** Answers again, however it failed in between. */
async function answersAgain(): Promise<void> {
  await waitUntil('the database answers again', () =>
    database
      .run((client) => client.user.count())
      .then(
        () => true,
        () => false,
      ),
  );
}

async function refusesSecondServer(): Promise<void> {
  await assert.rejects(open(), (error: unknown) => {
    assert.ok(hasCode(error, 'failed_precondition'), String(error));
    assert.match(error.message, /Another server/);
    return true;
  });
}

describe('the embedded database', () => {
  before(async () => {
    // What a server leaves that was killed while it made its database.
    const unfinished = join(directory, 'data.new-0123');
    mkdirSync(join(unfinished, 'base'), { recursive: true });
    writeFileSync(join(unfinished, 'PG_VERSION'), '');
    database = await open();
    assert.ok(!existsSync(unfinished));
  });
  after(() => database.close());

  test('is reachable through its own directory only, and keeps what it acknowledges', async () => {
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.equal(statSync(dataDirectory).mode & 0o777, 0o700);
    assert.equal(statSync(join(directory, '.s.PGSQL.5432')).mode & 0o777, 0o700);
    assert.equal(await parameter('listen_addresses'), '');
    assert.equal(await parameter('fsync'), 'on');
    assert.equal(await parameter('synchronous_commit'), 'on');
    assert.equal(await parameter('full_page_writes'), 'on');
    assert.equal(await parameter('data_checksums'), 'on');
    assert.notEqual(statSync(dataDirectory).uid, 0, 'PostgreSQL never runs as root');
  });

  test('refuses a second server', async () => {
    await addUser('before-second');
    await refusesSecondServer();
    assert.ok(await hasUser('before-second'));
  });

  test('is started again when it was killed', async () => {
    await addUser('before-kill');
    const killed = postmasterPid();
    process.kill(killed, 'SIGKILL');
    await waitUntil('PostgreSQL is gone', () => !isRunning(killed));
    await answersAgain();
    assert.notEqual(postmasterPid(), killed);
    assert.ok(await hasUser('before-kill'));
    await refusesSecondServer();
  });

  test('recovers from a crash of its own, and belongs to its server all the while', async () => {
    const pid = postmasterPid();
    const [victim, witness] = [await connect(), await connect()];
    const { rows } = await victim.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    // PostgreSQL answers the death of one connection's process by ending all others.
    const ended = Promise.all(
      [victim, witness].map((client) => new Promise((resolve) => client.once('end', resolve))),
    );
    const backend = rows[0]?.pid;
    assert.ok(backend !== undefined);
    process.kill(backend, 'SIGKILL');
    await ended;
    await answersAgain();
    assert.equal(postmasterPid(), pid);
    await refusesSecondServer();
  });

  test('that a killed server left behind is stopped, and nothing committed is lost', async () => {
    await database.close();
    const program = `
      import { openDatabase } from '#db';
      import { readSettings, silentLog } from '#base';
      const source = { embeddedDirectory: ${JSON.stringify(directory)} };
      const database = await openDatabase({ source, settings: readSettings().database, log: silentLog });
      const key = 'before-server-kill';
      await database.run((client) => client.user.create({
        data: { id: key, login: key, loginKey: key, email: key, emailKey: key, passwordHash: '' },
      }));
      console.log('committed');
    `;
    const server = startProcess(process.execPath, ['--input-type=module', '-e', program]);
    await server.waitFor(/committed/);
    const forgotten = postmasterPid();
    await server.killGroup();
    assert.ok(isRunning(forgotten), 'PostgreSQL outlives a killed server');
    database = await open();
    assert.ok(!isRunning(forgotten));
    assert.notEqual(postmasterPid(), forgotten);
    assert.ok(await hasUser('before-server-kill'));
  });

  test('starts although its old process id belongs to another program by now', async () => {
    await database.close();
    const lines = [process.pid, dataDirectory, 0, 5432, '..', '', 0, 'ready'];
    writeFileSync(join(dataDirectory, 'postmaster.pid'), `${lines.join('\n')}\n`);
    database = await open();
    assert.ok(await hasUser('before-kill'));
  });

  test('ends with its server', async () => {
    const pid = postmasterPid();
    await database.close();
    assert.ok(!isRunning(pid));
    assert.ok(!existsSync(join(directory, '.s.PGSQL.5432')));
    await assert.rejects(hasUser('before-kill'), (error: unknown) => hasCode(error, 'unavailable'));
    database = await open();
  });

  test('of another major version is refused with a way out', async () => {
    await database.close();
    const versionFile = join(dataDirectory, 'PG_VERSION');
    const version = readFileSync(versionFile, 'utf8');
    writeFileSync(versionFile, '12\n');
    await assert.rejects(open(), (error: unknown) => {
      assert.ok(hasCode(error, 'failed_precondition'), String(error));
      assert.match(error.message, /docs\/database\.md/);
      return true;
    });
    writeFileSync(versionFile, version);
    database = await open();
    assert.ok(await hasUser('before-kill'));
  });
});
