import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { git } from '#test/git';
import { startClientAlone } from './client-alone.ts';
import { startGitDaemon, startHttpBackend, startOpenSsh } from './comparators.ts';
import type { Contestant } from './contestant.ts';
import { startOverDirectory, startWithAccounts } from './ours.ts';
import { formatTable, reportLines, type ReportLine } from './report.ts';
import { defaultRepository } from './generated-repositories.ts';
import type { Row, RunContext } from './row.ts';
import { rows } from './rows.ts';

const usage = `usage: npm run bench [-- [REPOSITORY] [--only ROW]... [--quick] [--json]]

Measures Packhorse and the servers that people use today in one run, on the same repository.
REPOSITORY is a bare one by path; by default one is generated.

rows: ${[...rows.map(({ id }) => id), 'actor'].join(', ')}
`;

interface Arguments {
  readonly repository: string | undefined;
  readonly only: readonly string[];
  readonly isQuick: boolean;
  readonly asJson: boolean;
}

function readArguments(): Arguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const known = new Set([...rows.map(({ id }) => id), 'actor']);
  const unknown = values.only.find((id) => !known.has(id));
  if (values.help || unknown !== undefined || positionals.length > 1) {
    process.stderr.write(unknown === undefined ? usage : `there is no row ${unknown}\n${usage}`);
    process.exit(values.help ? 0 : 2);
  }
  return { repository: positionals[0], only: values.only, isQuick: values.quick, asJson: values.json };
}

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** Every server; one that cannot be started fails the whole run, so that no row is silently missing. */
async function startAll(repository: string): Promise<readonly Contestant[]> {
  const starts = [
    ['nginx with git http-backend', async () => [await startHttpBackend(repository)]],
    ['git daemon', async () => [await startGitDaemon(repository)]],
    ['OpenSSH with git-shell', async () => [await startOpenSsh(repository)]],
    ['packhorse over a directory', () => startOverDirectory(repository)],
    ['packhorse with accounts', () => startWithAccounts(repository)],
  ] as const;
  const contestants: Contestant[] = [];
  for (const [name, start] of starts) {
    say(`starting ${name}`);
    try {
      contestants.push(...(await start()));
    } catch (cause) {
      throw new Error(`${name} could not be started`, { cause });
    }
  }
  const baseline = contestants.find(({ transport, isBaseline }) => transport === 'http' && isBaseline);
  if (baseline !== undefined) contestants.push(await startClientAlone(baseline));
  return contestants;
}

/** Each round visits the servers in the other direction, so that what changes over time hits all alike. */
async function measure(
  row: Row,
  contestants: readonly Contestant[],
  context: RunContext,
): Promise<readonly ReportLine[]> {
  const able = contestants.filter(
    ({ transport, isBound }) =>
      row.transports.includes(transport) && (isBound !== true || row.showsClientAlone === true),
  );
  const samples = new Map<Contestant, (readonly number[])[]>(able.map((contestant) => [contestant, []]));
  const rounds = context.isQuick ? 1 : row.rounds;
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of round % 2 === 0 ? able : able.toReversed()) {
      say(`${row.title}: ${contestant.name} over ${contestant.transport}, round ${round + 1} of ${rounds}`);
      samples.get(contestant)?.push(await row.measure(contestant, context));
    }
  }
  return reportLines(row, samples);
}

async function describeRun(repository: string): Promise<Record<string, unknown>> {
  const counted = await git(['count-objects', '-v'], { cwd: repository });
  const number = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(counted)?.[1] ?? 0);
  return {
    repository,
    objects: number('in-pack') + number('count'),
    packMiB: Math.round(number('size-pack') / 1024),
    refs: (await git(['for-each-ref'], { cwd: repository })).split('\n').length,
    cpus: cpus().length,
    cpu: cpus()[0]?.model,
    kernel: release(),
    node: process.version,
    git: (await git(['--version'])).replace('git version ', ''),
    load: loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
    at: new Date().toISOString(),
  };
}

/** The actor runtime measures itself, in a process of its own. */
function benchActors(isQuick: boolean): string {
  const program = join(import.meta.dirname, 'actor.ts');
  const result = spawnSync(process.execPath, ['--expose-gc', program, ...(isQuick ? ['--quick'] : [])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (result.status !== 0) throw new Error(`the benchmark of actors ended with ${result.status}`);
  return result.stdout.trim();
}

async function main(): Promise<void> {
  const { repository: named, only, isQuick, asJson } = readArguments();
  const chosen = only.length === 0 ? rows : rows.filter(({ id }) => only.includes(id));
  const lines: ReportLine[] = [];
  if (named !== undefined && !existsSync(join(named, 'objects')))
    throw new Error(`${named} is not a bare repository`);
  const repository = named === undefined ? await defaultRepository() : realpathSync(named);
  const facts = await describeRun(repository);
  let table = '';
  if (chosen.length > 0) {
    const contestants = await startAll(repository);
    for (const row of chosen) lines.push(...(await measure(row, contestants, { isQuick, repository })));
    table = formatTable(lines, contestants);
    for (const contestant of contestants.toReversed()) await contestant[Symbol.asyncDispose]();
  }
  const actors = only.length === 0 || only.includes('actor') ? benchActors(isQuick) : '';
  if (asJson) process.stdout.write(`${JSON.stringify({ facts, lines, actors }, undefined, 2)}\n`);
  else {
    const about = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
    process.stdout.write(
      `${about.join(', ')}\n(1.23x) is how many times better than the baseline: nginx over HTTP, OpenSSH over SSH; ! misses the goal.\n'The client alone' talks to a server that answers at once: no server can reach more than its ratio.\n\n${table}\n\n${actors}\n`,
    );
  }
}

await main();
