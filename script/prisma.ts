#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Prisma's command line for this project, without anything being fetched:
 *
 *   node script/prisma.ts generate                    the database client, into libs/db/generated
 *   node script/prisma.ts migrate dev --name NAME     a new migration from what changed in schema.prisma
 *   node script/prisma.ts migrate diff ...            and every other command of Prisma
 *
 * Where a database is needed and DATABASE_URL names none, an embedded one is made and thrown away.
 */
const root = dirname(import.meta.dirname);
const arguments_ = process.argv.slice(2);

async function runPrisma(databaseUrl: string | undefined): Promise<number> {
  const cli = fileURLToPath(import.meta.resolve('prisma/build/index.js'));
  const child = spawn(process.execPath, [cli, ...arguments_], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      // The engine is started by its name alone: it must find this Node.
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      PRISMA_SCHEMA_ENGINE_BINARY: join(root, 'script', 'schema-engine.ts'),
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function runWithDatabase(): Promise<number> {
  // Not imported above: these need the client that `generate` has yet to write.
  const { EmbeddedPostgres } = await import('../libs/db/embedded/postgres.ts');
  const { readSettings, silentLog } = await import('../libs/base/index.ts');
  const directory = await mkdtemp(join(tmpdir(), 'packhorse-prisma-'));
  const settings = readSettings().database;
  try {
    const postgres = await EmbeddedPostgres.start({
      directory: join(directory, 'postgres'),
      settings,
      log: silentLog,
    });
    const { host, user, database } = postgres.connection;
    try {
      return await runPrisma(`postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`);
    } finally {
      await postgres.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const needsDatabase = ['migrate', 'db', 'studio'].includes(arguments_[0] ?? '');
const isGiven = process.env['DATABASE_URL'] !== undefined;
process.exitCode = await (needsDatabase && !isGiven ? runWithDatabase() : runPrisma(undefined));
