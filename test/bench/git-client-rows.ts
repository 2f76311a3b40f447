import { git } from '#test/git';
import { CommitPusher } from './commit-pusher.ts';
import { at, atCopy, type Contestant } from './contestant.ts';
import { everywhere, type Row } from './row.ts';
import { usageOf } from './server-usage.ts';
import { median } from './statistics.ts';
import { userClone } from './user-clone.ts';

/** What a person waits for: the whole git client, from its start to its end. */

export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** The median of `count` samples, taken one after the other. */
export async function medianOf(count: number, once: () => Promise<number>): Promise<number> {
  const samples: number[] = [];
  while (samples.length < count) samples.push(await once());
  return median(samples);
}

const longMs = 1_800_000;

export const sshLsRemote: Row = {
  id: 'ls-remote',
  title: 'git ls-remote HEAD',
  transports: everywhere,
  metrics: [{ name: 'p50', unit: 'ms', atLeast: { ssh: 2.5 } }],
  rounds: 3,
  measure: async ({ url, env }, { isQuick }) => [
    await medianOf(isQuick ? 3 : 7, () => timeMs(() => git(['ls-remote', url, 'HEAD'], { env }))),
  ],
};

const upToDateClients = new Map<Contestant, Promise<string>>();

/** A clone with everything that the server has. */
function upToDateClient(contestant: Contestant, repository: string): Promise<string> {
  let made = upToDateClients.get(contestant);
  if (made === undefined) {
    made = (async () => {
      const path = await userClone(repository, contestant.url);
      await git(['fetch', '--quiet'], { cwd: path, env: contestant.env });
      return path;
    })();
    upToDateClients.set(contestant, made);
  }
  return made;
}

export const noOpFetch: Row = {
  id: 'no-op-fetch',
  title: 'fetch of nothing new',
  transports: everywhere,
  showsClientAlone: true,
  metrics: [{ name: 'p50', unit: 'ms', atLeast: { http: 2, ssh: 2 } }],
  rounds: 3,
  measure: async (contestant, { repository, isQuick }) => {
    const cwd = await upToDateClient(contestant, repository);
    const fetchOnce = (): Promise<string> => git(['fetch', '--quiet'], { cwd, env: contestant.env });
    return [await medianOf(isQuick ? 3 : 7, () => timeMs(fetchOnce))];
  },
};

const pushers = new Map<string, Promise<CommitPusher>>();

/** The median time of a push of one commit to a copy of `repository`, with one client that goes on where it was. */
export async function commitPushMs(
  contestant: Contestant,
  repository: string,
  count: number,
): Promise<number> {
  const key = `${contestant.url} ${repository}`;
  let made = pushers.get(key);
  if (made === undefined) {
    made = (async () => {
      const pusher = await CommitPusher.create(await atCopy(contestant, repository, 'push'), repository);
      // The first push of all makes the branch and is another thing than the many that follow.
      await pusher.push();
      return pusher;
    })();
    pushers.set(key, made);
  }
  const pusher = await made;
  return await medianOf(count, () => pusher.push());
}

export const oneCommitPush: Row = {
  id: 'one-commit-push',
  title: 'push of one commit',
  transports: everywhere,
  showsClientAlone: true,
  metrics: [{ name: 'p50', unit: 'ms', atLeast: { http: 2, ssh: 2 } }],
  rounds: 3,
  measure: async (contestant, { repository, isQuick }) => [
    await commitPushMs(contestant, repository, isQuick ? 3 : 9),
  ],
};

export const mirrorPush: Row = {
  id: 'whole-push',
  title: 'push of the whole repository',
  transports: everywhere,
  metrics: [
    // "Not slower than 1.05 times", and "100 MB at any size".
    { name: 'total', unit: 'ms', atLeast: { http: 1 / 1.05, ssh: 1 / 1.05 } },
    { name: 'memory above idle', unit: 'MiB', atMost: 100 },
  ],
  rounds: 1,
  measure: async (contestant, { repository }) => {
    const place = at(contestant, await contestant.create());
    const options = { cwd: repository, env: place.env, timeoutMs: longMs };
    const refspecs = ['refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*'];
    const { value, usage } = await usageOf(place, () =>
      timeMs(() => git(['push', '--quiet', place.url, ...refspecs], options)),
    );
    return [value, usage.aboveIdleMiB];
  },
};
