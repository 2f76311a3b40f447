import { ActorSystem } from '#actor';
import {
  type Clock,
  type Log,
  readSettings,
  type Settings,
  silentLog,
  systemClock,
  systemRandom,
} from '#base';
import { GitRunner, type LocalAgent, type Replication, RepositoryPools, type Storage } from '#git';

export interface TestPools extends AsyncDisposable {
  readonly actors: ActorSystem;
  readonly pools: RepositoryPools;
  agent(path: string, mode?: 'owned' | 'shared'): LocalAgent;
}

/** The pools of a node that lives as long as a test. */
export function testPools(
  settings: Partial<Settings['git']> = {},
  parts: {
    readonly clock?: Clock;
    readonly log?: Log;
    readonly runner?: GitRunner;
    readonly storage?: Storage;
    readonly replication?: (repositoryId: string) => Replication | undefined;
  } = {},
): TestPools {
  const { clock = systemClock, log = silentLog } = parts;
  const defaults = readSettings();
  const actors = new ActorSystem({ clock, log, settings: defaults.actor });
  const pools = new RepositoryPools({
    actors,
    runner: parts.runner ?? new GitRunner({ timeoutMs: defaults.git.gitTimeoutMs }),
    settings: { ...defaults.git, ...settings },
    maxCommands: defaults.wire.maxCommands,
    clock,
    random: systemRandom,
    log,
    replication: parts.replication,
    ...(parts.storage === undefined ? {} : { storage: parts.storage }),
  });
  return {
    actors,
    pools,
    agent: (path, mode = 'owned') => pools.agent({ id: path, path, mode }),
    [Symbol.asyncDispose]: () => pools.drain(10_000),
  };
}
