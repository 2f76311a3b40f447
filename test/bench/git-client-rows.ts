import { join } from 'node:path';
import { git } from '#test/git';
import { PeakMemory, treeMemory, type Memory } from '#test/process-memory';
import { temporaryDirectory } from '#test/temporary';
import type { Contestant } from './contestant.ts';
import type { Row } from './rows.ts';
import { median } from './statistics.ts';

const MiB = 1024 * 1024;

/** Peak memory of a server and everything it started while `work` ran: all of it, and what no file backs, in MiB. */
export async function memoryOf(
  contestant: Contestant,
  work: () => Promise<unknown>,
): Promise<readonly number[]> {
  const measure = (): Memory =>
    contestant.pids.map(treeMemory).reduce((sum, memory) => ({
      rssBytes: sum.rssBytes + memory.rssBytes,
      anonBytes: sum.anonBytes + memory.anonBytes,
    }));
  using peak = new PeakMemory(measure, 25);
  await work();
  const { rssBytes, anonBytes } = peak.stop();
  return [rssBytes / MiB, anonBytes / MiB];
}

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function medianOf(count: number, once: (index: number) => Promise<number>): Promise<number> {
  const samples: number[] = [];
  for (let index = 0; index < count; index += 1) samples.push(await once(index));
  return median(samples);
}

const clients = new Map<Contestant, Promise<string>>();

/** A local repository with everything that the server has, borrowed from the measured one. */
function clientOf(contestant: Contestant, repository: string): Promise<string> {
  const known = clients.get(contestant);
  if (known !== undefined) return known;
  const made = (async () => {
    const path = join(temporaryDirectory('bench-client'), 'client.git');
    await git(['clone', '--quiet', '--bare', '--shared', repository, path]);
    await git(['remote', 'add', 'measured', contestant.url], { cwd: path });
    await git(['fetch', '--quiet', 'measured'], { cwd: path, env: contestant.env });
    return path;
  })();
  clients.set(contestant, made);
  return made;
}

const everywhere = ['http', 'git', 'ssh'] as const;
const p50 = [{ name: 'p50', unit: 'ms' }] as const;
const longMs = 1_800_000;

export const sshLsRemote: Row = {
  id: 'ls-remote',
  title: 'git ls-remote HEAD, whole client',
  transports: everywhere,
  metrics: p50,
  rounds: 3,
  measure: async ({ url, env }, { isQuick }) => [
    await medianOf(isQuick ? 3 : 7, () => timeMs(() => git(['ls-remote', url, 'HEAD'], { env }))),
  ],
};

export const noOpFetch: Row = {
  id: 'no-op-fetch',
  title: 'fetch of nothing new, whole client',
  transports: everywhere,
  metrics: p50,
  rounds: 3,
  measure: async (contestant, { repository, isQuick }) => {
    const cwd = await clientOf(contestant, repository);
    const fetchOnce = (): Promise<string> =>
      git(['fetch', '--quiet', 'measured'], { cwd, env: contestant.env });
    return [await medianOf(isQuick ? 3 : 7, () => timeMs(fetchOnce))];
  },
};

export const oneCommitPush: Row = {
  id: 'one-commit-push',
  title: 'push of one commit, whole client',
  transports: everywhere,
  metrics: p50,
  rounds: 3,
  measure: async (contestant, { repository, isQuick }) => {
    const cwd = await clientOf(contestant, repository);
    let parent = await git(['rev-parse', 'HEAD'], { cwd });
    const pushOnce = async (index: number): Promise<number> => {
      const blob = await git(['hash-object', '-w', '--stdin'], { cwd, input: `${parent} ${index}\n` });
      const tree = await git(['mktree'], { cwd, input: `100644 blob ${blob}\tfile.txt\n` });
      parent = await git(['commit-tree', '-p', parent, '-m', `Change ${index}`, tree], { cwd });
      const push = ['push', '--quiet', '--force', contestant.url, `${parent}:refs/heads/bench-push`];
      return timeMs(() => git(push, { cwd, env: contestant.env }));
    };
    return [await medianOf(isQuick ? 3 : 9, pushOnce)];
  },
};

export const refPush: Row = {
  id: 'ref-push',
  title: 'push of 5,000 new refs',
  transports: everywhere,
  metrics: [{ name: 'total', unit: 'ms' }],
  rounds: 1,
  measure: async (contestant) => {
    const cwd = join(temporaryDirectory('bench-refs'), 'refs.git');
    await git(['init', '--quiet', '--bare', cwd]);
    const tree = await git(['mktree'], { cwd, input: '' });
    const commit = await git(['commit-tree', '-m', 'Begin', tree], { cwd });
    const names = Array.from({ length: 5_000 }, (_, index) => `create refs/heads/b/${index} ${commit}\n`);
    await git(['update-ref', '--stdin'], { cwd, input: names.join('') });
    const url = await contestant.createEmpty();
    return [
      await timeMs(() =>
        git(['push', '--quiet', '--mirror', url], { cwd, env: contestant.env, timeoutMs: longMs }),
      ),
    ];
  },
};

export const mirrorPush: Row = {
  id: 'whole-push',
  title: 'push of the whole repository',
  transports: everywhere,
  metrics: [
    { name: 'total', unit: 'ms' },
    { name: 'peak memory', unit: 'MiB' },
    { name: 'of it anonymous', unit: 'MiB' },
  ],
  rounds: 1,
  measure: async (contestant, { repository }) => {
    const url = await contestant.createEmpty();
    let totalMs = 0;
    const options = { cwd: repository, env: contestant.env, timeoutMs: longMs };
    const memory = await memoryOf(contestant, async () => {
      totalMs = await timeMs(() =>
        git(['push', '--quiet', url, 'refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*'], options),
      );
    });
    return [totalMs, ...memory];
  },
};
