import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Client } from 'pg';
import { PackhorseError, type Log } from '#base';

/** One `prisma/migrations/<timestamp>_<name>/migration.sql`. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file in hexadecimal, as Prisma records it. */
  readonly checksum: string;
}

interface AppliedMigration {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/** Prisma's own advisory lock: whoever migrates holds it, be it this code or Prisma's command line. */
const migrationLock = 72707369;

/** Where the migrations of this release are. */
const migrationsDirectory = new URL('../../prisma/migrations/', import.meta.url);

/** The migrations of this release, in the order in which they apply. */
export async function readMigrations(directory: URL = migrationsDirectory): Promise<readonly Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(new URL(`${name}/migration.sql`, directory), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/**
 * Which migrations are still to be applied. Throws `failed_precondition` when the database and this
 * release do not belong together: it was migrated by a newer release, a migration was edited after
 * it had been applied, or one did not finish.
 */
export function pendingMigrations(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  const byName = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const row of applied) {
    const metadata = { migration: row.migration_name };
    const migration = byName.get(row.migration_name);
    if (migration === undefined) {
      throw new PackhorseError(
        'failed_precondition',
        'The database belongs to a newer release of Packhorse. Start that release, or restore a backup made with this one.',
        { metadata },
      );
    }
    if (row.finished_at === null) {
      throw new PackhorseError(
        'failed_precondition',
        'A migration of the database did not finish. Repair it with `node script/prisma.ts migrate resolve`.',
        { metadata },
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new PackhorseError(
        'failed_precondition',
        'A migration was changed after the database had applied it. Use the release that this database belongs to.',
        { metadata },
      );
    }
  }
  const done = new Set(applied.map((row) => row.migration_name));
  return migrations.filter((migration) => !done.has(migration.name));
}

async function appliedMigrations(client: Client): Promise<readonly AppliedMigration[]> {
  // The table exactly as Prisma's schema engine creates it, so that `prisma migrate status` agrees.
  await client.query(`
    CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
      "id" VARCHAR(36) PRIMARY KEY NOT NULL,
      "checksum" VARCHAR(64) NOT NULL,
      "finished_at" TIMESTAMPTZ,
      "migration_name" VARCHAR(255) NOT NULL,
      "logs" TEXT,
      "rolled_back_at" TIMESTAMPTZ,
      "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
      "applied_steps_count" INTEGER NOT NULL DEFAULT 0
    )`);
  const { rows } = await client.query<AppliedMigration>(
    `SELECT "migration_name", "checksum", "finished_at" FROM "_prisma_migrations"
      WHERE "rolled_back_at" IS NULL ORDER BY "started_at"`,
  );
  return rows;
}

/** A migration and its record become true together, so that a crash leaves no half of it. */
async function applyMigration(client: Client, migration: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
        VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * Brings the database to this release. Several nodes may start at once: one migrates, the others
 * wait up to `lockTimeoutMs`. Throws `failed_precondition` as `pendingMigrations` does.
 */
export async function migrate(
  client: Client,
  options: { readonly migrations: readonly Migration[]; readonly lockTimeoutMs: number; readonly log: Log },
): Promise<void> {
  await client.query(`SELECT set_config('lock_timeout', $1, false)`, [`${options.lockTimeoutMs}ms`]);
  await client.query('SELECT pg_advisory_lock($1)', [migrationLock]);
  try {
    for (const migration of pendingMigrations(options.migrations, await appliedMigrations(client))) {
      await applyMigration(client, migration);
      options.log.info('applied a database migration', { migration: migration.name });
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [migrationLock]).catch(() => undefined);
  }
}
