import { Option, type Command } from 'commander';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { formatSize, formatTime, printTable } from '../table.ts';
import { print } from '../terminal.ts';

interface Actor {
  readonly path: string;
  readonly kind: string;
  readonly phase: string;
  readonly mailboxDepth: number;
  readonly handled: number;
  readonly restarts: number;
  readonly startedAt: string;
}

interface Observer {
  readonly totals: Readonly<Record<'live' | 'started' | 'restarted' | 'crashed' | 'refused', number>>;
  readonly repositories: Readonly<Record<'pools' | 'openHandles' | 'cacheBytes', number>>;
  readonly memory: Readonly<Record<'rssBytes' | 'heapUsedBytes' | 'externalBytes', number>>;
  readonly loopDelay: Readonly<Record<'p99Ms' | 'maxMs', number>>;
  readonly actors: readonly Actor[];
}

export const observeNode = `query ObserveNode($sort: ActorSort!) {
  node { observer {
    totals { live started restarted crashed refused }
    repositories { pools openHandles cacheBytes }
    memory { rssBytes heapUsedBytes externalBytes }
    loopDelay { p99Ms maxMs }
    actors(sort: $sort) { path kind phase mailboxDepth handled restarts startedAt }
  } }
}`;

const actorSorts = ['mailbox', 'handled', 'restarts'];

function printObserver({ totals, repositories, memory, loopDelay, actors }: Observer): void {
  print(
    `Actors: ${totals.live} live, ${totals.started} started, ${totals.restarted} restarted, ` +
      `${totals.crashed} crashed, ${totals.refused} messages refused`,
  );
  print(
    `Repositories: ${repositories.pools} open, ${repositories.openHandles} handles, ` +
      `${formatSize(repositories.cacheBytes)} of objects cached`,
  );
  print(
    `Memory: ${formatSize(memory.rssBytes)} resident, ${formatSize(memory.heapUsedBytes)} heap, ` +
      `${formatSize(memory.externalBytes)} external`,
  );
  print(`Event loop delay: ${loopDelay.p99Ms} ms (p99), ${loopDelay.maxMs} ms (longest)`);
  print('');
  printTable(
    ['ACTOR', 'KIND', 'PHASE', 'MAILBOX', 'HANDLED', 'RESTARTS', 'STARTED'],
    actors.map((actor) => [
      actor.path,
      actor.kind,
      actor.phase,
      String(actor.mailboxDepth),
      String(actor.handled),
      String(actor.restarts),
      formatTime(actor.startedAt),
    ]),
    'No actors are running.',
  );
}

async function actors(options: CommonOptions & { readonly sort: string }): Promise<void> {
  const client = await connect(options);
  const { node } = await client.ask<{ node: { observer: Observer } }>(observeNode, {
    sort: options.sort.toUpperCase(),
  });
  const busiest = node.observer.actors.map((actor) => ({ ...actor, phase: actor.phase.toLowerCase() }));
  const observer = { ...node.observer, actors: busiest };
  output(options, observer, () => printObserver(observer));
}

export function nodeCommands(): Command {
  return group('node', 'what a running server is doing', [
    clientCommand('actors', 'list the busiest actors, with memory and what is open')
      .addOption(new Option('--sort <by>', 'what most of comes first').choices(actorSorts).default('mailbox'))
      .action(actors),
  ]);
}
