#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import { SchemaEngine, type DevDiagnosticInput } from '@prisma/schema-engine-wasm';
import { Client, escapeIdentifier, Result, type ClientConfig } from 'pg';

/**
 * Prisma's schema engine as its command line expects it, a program that speaks JSON-RPC on standard
 * input and output, around the WebAssembly build of the same engine: nothing is fetched to run it.
 */
interface Call {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    datamodels: { type: 'string', multiple: true },
    datasource: { type: 'string' },
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
  },
});
const { url = '' } = JSON.parse(values.datasource ?? '{}') as { readonly url?: string };

/** The engine leaves the text of a panic here; the error that it throws says only "unreachable". */
let panic: string | undefined;
Object.assign(globalThis, {
  PRISMA_WASM_PANIC_REGISTRY: {
    set_message: (message: string) => {
      panic = message;
    },
  },
});

/** The parts of the URL: given as a whole it would win over the name of the shadow database. */
function connectionOf(address: URL): ClientConfig {
  const database = decodeURIComponent(address.pathname.slice(1));
  return {
    host: address.searchParams.get('host') ?? address.hostname,
    port: Number(address.port === '' ? 5432 : address.port),
    user: decodeURIComponent(address.username),
    password: decodeURIComponent(address.password),
    database,
  };
}

/**
 * The catalogues' one-byte type "char" is unknown to Prisma's adapter, and the engine takes it from
 * nothing but a column of its own kind: the driver reports it as text, and the columns are marked afterwards.
 */
const charColumns = new Set<string>();

function readCharAsText(): void {
  const [charOid, textOid] = [18, 25];
  type Fields = { readonly name: string; dataTypeID: number }[];
  const prototype = Result.prototype as unknown as { addFields: (this: unknown, fields: Fields) => void };
  const addFields = prototype.addFields;
  prototype.addFields = function addKnownFields(fields) {
    for (const field of fields.filter(({ dataTypeID }) => dataTypeID === charOid)) {
      charColumns.add(field.name);
      field.dataTypeID = textOid;
    }
    addFields.call(this, fields);
  };
}

function markingChars<Adapter extends SqlDriverAdapter>(adapter: Adapter): Adapter {
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    const columnTypes = result.columnTypes.map((type, index) =>
      charColumns.has(result.columnNames[index] ?? '') ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  };
  return adapter;
}

async function execute(connection: ClientConfig, statement: string): Promise<void> {
  const client = new Client(connection);
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Prisma's adapter, with a shadow database that is dropped when the engine is done with it. */
function createAdapterFactory(connection: ClientConfig): SqlMigrationAwareDriverAdapterFactory {
  const connect = async (config: ClientConfig) =>
    markingChars(await new PrismaPg({ ...config, max: 1 }).connect());
  return {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => connect(connection),
    async connectToShadowDb() {
      const database = `packhorse_shadow_${process.pid}`;
      await execute(connection, `CREATE DATABASE ${database}`);
      const adapter = await connect({ ...connection, database });
      const dispose = adapter.dispose.bind(adapter);
      adapter.dispose = async () => {
        await dispose();
        await execute(connection, `DROP DATABASE ${database} WITH (FORCE)`);
      };
      return adapter;
    },
  };
}

async function createEngine(): Promise<SchemaEngine> {
  readCharAsText();
  const adapter = createAdapterFactory(connectionOf(new URL(url)));
  const datamodels = await Promise.all(
    (values.datamodels ?? []).map(async (path): Promise<[string, string]> => [
      path,
      await readFile(path, 'utf8'),
    ]),
  );
  const ignoreLog = (): void => undefined;
  return SchemaEngine.new(
    { datamodels: datamodels.length === 0 ? undefined : datamodels },
    ignoreLog,
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
}

/** The engine's methods, under the names that the command line calls them by. */
async function run(engine: SchemaEngine, { method, params }: Call): Promise<unknown> {
  const name = method === 'getDatabaseVersion' ? 'version' : method;
  const found: unknown = Reflect.get(engine, name);
  if (typeof found !== 'function') throw new Error(`The schema engine has no method ${method}.`);
  if (method === 'evaluateDataLoss' || method === 'createMigration') {
    // These two read what the migrations add up to from the cache that the diagnosis fills: only that
    // is given the shadow database in the WebAssembly build.
    await engine.devDiagnostic(params as unknown as DevDiagnosticInput);
  }
  return Reflect.apply(found, engine, [params]);
}

/** Shaped as the command line reads it: it shows `data.message` and the code. */
function describe(error: unknown): object {
  const { message = String(error), code } = error as { readonly message?: string; readonly code?: string };
  const text = panic ?? message;
  return {
    code: 4466,
    message: text,
    data: { is_panic: panic !== undefined, message: text, error_code: code, error: { message: text } },
  };
}

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

async function serve(): Promise<void> {
  const engine = await createEngine();
  for await (const line of createInterface({ input: process.stdin })) {
    const call = JSON.parse(line) as Call;
    // Answers to our own calls ("print") need nothing done.
    if (call.method === undefined) continue;
    try {
      const result = await run(engine, call);
      const { stdout } = (result ?? {}) as { readonly stdout?: string | null };
      if (typeof stdout === 'string') answer({ id: call.id, method: 'print', params: { content: stdout } });
      answer({ id: call.id, result: result ?? {} });
    } catch (error) {
      answer({ id: call.id, error: describe(error) });
    }
  }
}

/** The engine's own small commands, by which the command line finds out whether there is a database. */
async function runCommand(command: string | undefined): Promise<void> {
  const connection = connectionOf(new URL(url));
  try {
    if (command === 'create-database') {
      const name = escapeIdentifier(connection.database ?? '');
      await execute({ ...connection, database: 'postgres' }, `CREATE DATABASE ${name}`);
    } else {
      await execute(connection, 'SELECT 1');
    }
  } catch (error) {
    const { message, code } = error as { readonly message: string; readonly code?: string };
    const errorCode = code === '3D000' ? 'P1003' : 'P1001';
    const entry = {
      level: 'ERROR',
      target: 'schema_engine::logger',
      fields: { error_code: errorCode, message },
    };
    // The command line skips the first line.
    process.stderr.write(`\n${JSON.stringify(entry)}`);
    process.exitCode = 1;
  }
}

// A panic inside the engine ends as an exception that no promise carries.
process.on('uncaughtException', (error) => {
  process.stderr.write(`${panic ?? error.stack ?? error.message}\n`);
  process.exit(101);
});
// The command line sends it as soon as it has its last answer; the shadow database is still to be dropped.
process.on('SIGTERM', () => undefined);

if (positionals[0] === 'cli') {
  await runCommand(positionals[1]);
} else {
  await serve();
  // The adapter's pool would keep the process alive for its idle time.
  process.exit();
}
