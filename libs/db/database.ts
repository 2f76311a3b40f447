import { PrismaPg } from '@prisma/adapter-pg';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool, type ClientConfig } from 'pg';
import { PackhorseError, type Log, type Settings } from '#base';
import { EmbeddedPostgres } from './embedded/postgres.ts';
import { isConnectionLoss, toDatabaseError } from './errors.ts';
import { PrismaClient, type Prisma } from './generated/client.ts';
import { migrate, readMigrations } from './migrations.ts';

/** Everything but connecting and transactions: what may be done on the client and inside a transaction. */
export type DatabaseClient = Prisma.TransactionClient;

/** The database, migrated to this release. Every failure is a PackhorseError (see `toDatabaseError`). */
export interface Database {
  /** Runs `work`, each statement by itself. */
  run<Result>(work: (client: DatabaseClient) => Promise<Result>): Promise<Result>;
  /** Runs `work` in one transaction, which is rolled back when it throws. */
  transaction<Result>(work: (client: DatabaseClient) => Promise<Result>): Promise<Result>;
  /** Ends the connections, and an embedded PostgreSQL. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** A `postgresql://` URL, or the directory in which an embedded PostgreSQL keeps its files. */
  readonly source: { readonly url: string } | { readonly embeddedDirectory: string };
  readonly settings: Settings['database'];
  readonly log: Log;
}

const oldestServerVersion = 140000;

function readUrl(url: string): ClientConfig {
  const isPostgres = URL.canParse(url) && /^postgres(ql)?:$/.test(new URL(url).protocol);
  if (isPostgres) return { connectionString: url };
  // The URL may hold a password, so it is not repeated.
  throw new PackhorseError(
    'invalid_argument',
    'The database URL must look like postgresql://USER:PASSWORD@HOST/NAME.',
  );
}

/** A connection, tried again for `startTimeoutMs` while the server is unreachable or just starting. */
async function connectPatiently(connection: ClientConfig, options: DatabaseOptions): Promise<Client> {
  const { connectTimeoutMs, startTimeoutMs } = options.settings;
  for (let waitedMs = 0, delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    const client = new Client({ ...connection, connectionTimeoutMillis: connectTimeoutMs });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (!isConnectionLoss(error) || waitedMs >= startTimeoutMs) throw error;
      options.log.warn('the database does not answer yet', { error, delayMs });
    }
    await sleep(delayMs);
    waitedMs += delayMs;
  }
}

async function requireSupportedServer(client: Client): Promise<void> {
  const { rows } = await client.query<{ version: string; encoding: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding`,
  );
  const { version = '0', encoding = '' } = rows[0] ?? {};
  if (Number(version) >= oldestServerVersion && encoding === 'UTF8') return;
  throw new PackhorseError(
    'failed_precondition',
    'The database must be PostgreSQL 14 or newer with UTF8 encoding.',
    {
      metadata: { version, encoding },
    },
  );
}

async function prepare(connection: ClientConfig, options: DatabaseOptions): Promise<void> {
  const client = await connectPatiently(connection, options);
  try {
    await requireSupportedServer(client);
    const migrations = await readMigrations();
    await migrate(client, { migrations, lockTimeoutMs: options.settings.startTimeoutMs, log: options.log });
  } finally {
    await client.end();
  }
}

function createPool(connection: ClientConfig, { settings, log }: DatabaseOptions): Pool {
  const pool = new Pool({
    ...connection,
    application_name: 'packhorse',
    max: settings.poolConnections,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    idleTimeoutMillis: settings.poolIdleMs,
    keepAlive: true,
    // Prisma's adapter reads timestamptz rightly only in UTC.
    // oxlint-disable-next-line typescript/no-misused-promises -- pg-pool awaits it; its types do not say so.
    onConnect: (client) =>
      client.query(`SET TIME ZONE 'UTC'; SET statement_timeout = ${settings.statementTimeoutMs}`),
  });
  // Without a listener a connection that is lost while idle would end the process.
  pool.on('error', (error) => {
    if (!pool.ending) log.warn('a connection to the database was lost', { error });
  });
  return pool;
}

/** A name for each SQL text, so that PostgreSQL plans it once per connection. */
function statementName({ sql }: { readonly sql: string }): string {
  return createHash('sha1').update(sql).digest('base64url');
}

async function mapped<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw toDatabaseError(error);
  }
}

/**
 * Connects, starting an embedded PostgreSQL where asked, and migrates. Throws `failed_precondition`
 * when the database cannot be used by this release, `unavailable` when it cannot be reached.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { source, settings, log } = options;
  const embedded =
    'embeddedDirectory' in source
      ? await mapped(() => EmbeddedPostgres.start({ directory: source.embeddedDirectory, settings, log }))
      : undefined;
  try {
    const connection = 'url' in source ? readUrl(source.url) : { ...embedded?.connection };
    await mapped(() => prepare(connection, options));
    return connectedDatabase(createPool(connection, options), embedded, settings);
  } catch (error) {
    await embedded?.close();
    throw error;
  }
}

function connectedDatabase(
  pool: Pool,
  embedded: EmbeddedPostgres | undefined,
  settings: Settings['database'],
): Database {
  const client = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: statementName }),
    transactionOptions: { maxWait: settings.connectTimeoutMs, timeout: settings.statementTimeoutMs },
  });
  return {
    run: (work) => mapped(() => work(client)),
    transaction: (work) => mapped(() => client.$transaction(work)),
    async close() {
      await client.$disconnect();
      await pool.end();
      await embedded?.close();
    },
  };
}
