import { Option, type Command } from 'commander';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { formatSize, formatTime, printTable } from '../table.ts';
import { print } from '../terminal.ts';
import { stateOf } from './volume.ts';

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

interface Node {
  readonly name: string;
  readonly region: string;
  readonly version: string;
  readonly address: string | null;
  readonly isSelf: boolean;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly load: number;
  readonly volumes: readonly {
    readonly id: string;
    readonly sizeBytes: number;
    readonly freeBytes: number;
  }[];
}

export const listNodes = `query ListNodes {
  nodes { name region version address isSelf isAlive isDraining load volumes { id sizeBytes freeBytes } }
}`;

export const drainNode = `mutation DrainNode($input: DrainNodeInput!) { drainNode(input: $input) }`;

async function list(options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { nodes } = await client.ask<{ nodes: readonly Node[] }>(listNodes);
  output(options, nodes, () =>
    printTable(
      ['NODE', 'REGION', 'STATE', 'LOAD', 'VOLUMES', 'FREE', 'ADDRESS', 'VERSION'],
      nodes.map((node) => [
        node.isSelf ? `${node.name} *` : node.name,
        node.region,
        stateOf(node),
        `${Math.round(100 * node.load)}%`,
        String(node.volumes.length),
        formatSize(node.volumes.reduce((sum, { freeBytes }) => sum + freeBytes, 0)),
        node.address ?? '-',
        node.version,
      ]),
      'There are no nodes.',
    ),
  );
}

async function drain(name: string, options: CommonOptions & { readonly end?: boolean }): Promise<void> {
  const client = await connect(options);
  const isDraining = options.end !== true;
  await client.ask(drainNode, { input: { name, isDraining } });
  output(options, { name, isDraining }, () =>
    print(isDraining ? `Nothing new is put on ${name} from now on.` : `${name} is in use again.`),
  );
}

export function nodeCommands(): Command {
  return group('node', 'the servers, and what they are doing', [
    clientCommand('list', 'list the nodes of the cluster; * is the one that answers').action(list),
    clientCommand('drain', 'put nothing new on a node; what is there stays and is served')
      .argument('<name>', 'as in "node list"')
      .option('--end', 'use it again')
      .action(drain),
    clientCommand('actors', 'list the busiest actors, with memory and what is open')
      .addOption(new Option('--sort <by>', 'what most of comes first').choices(actorSorts).default('mailbox'))
      .action(actors),
  ]);
}
