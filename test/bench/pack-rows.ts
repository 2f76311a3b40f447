import { at, type Contestant } from './contestant.ts';
import { CommitPusher } from './commit-pusher.ts';
import { readPack } from './pack-client.ts';
import { drainPack } from './pack-sink.ts';
import { fetchRequest, wantsOf, type PackKind } from './protocol.ts';
import { everywhere, type Row } from './row.ts';
import { usageOf } from './server-usage.ts';

/** A pack of `kind` of all that the server has now. */
async function requestFor(contestant: Contestant, kind: PackKind): Promise<string> {
  return fetchRequest(kind, await wantsOf(contestant));
}

/** The same server at a copy that nobody has asked for yet: nothing of it is cached. */
async function atFreshCopy(contestant: Contestant, repository: string): Promise<Contestant> {
  return at(contestant, await contestant.create(repository));
}

export const fullPack: Row = {
  id: 'full-pack',
  title: 'full pack',
  transports: everywhere,
  metrics: [
    // "Not slower than 1.1 times."
    { name: 'first request', unit: 'ms', atLeast: { http: 1 / 1.1, ssh: 1 / 1.1 } },
    { name: 'first request, first byte', unit: 'ms' },
    { name: 'first request, cpu', unit: 'ms' },
    { name: 'again', unit: 'ms', atLeast: { http: 6, ssh: 1.2 } },
    { name: 'again, first byte', unit: 'ms', atLeast: { http: 20 } },
    { name: 'again, cpu', unit: 'ms', atLeast: { http: 8 } },
  ],
  rounds: 3,
  measure: async (contestant, { repository }) => {
    const place = await atFreshCopy(contestant, repository);
    const body = await requestFor(place, 'full');
    const first = await usageOf(place, () => drainPack(place, body));
    const again = await usageOf(place, () => drainPack(place, body));
    // Once more with a reader that checks what it gets.
    await readPack(place, body, true);
    return [first, again].flatMap(({ value, usage }) => [value.totalMs, value.firstByteMs, usage.cpuMs]);
  },
};

export const afterPush: Row = {
  id: 'full-pack-after-push',
  title: 'full pack after a push of one commit',
  transports: everywhere,
  metrics: [
    { name: 'total', unit: 'ms', atLeast: { http: 5 } },
    { name: 'first byte', unit: 'ms' },
    { name: 'cpu', unit: 'ms' },
  ],
  rounds: 3,
  measure: async (contestant, { repository }) => {
    const place = await atFreshCopy(contestant, repository);
    await drainPack(place, await requestFor(place, 'full'));
    const pusher = await CommitPusher.create(place, repository);
    await pusher.push();
    const body = await requestFor(place, 'full');
    const { value, usage } = await usageOf(place, () => drainPack(place, body));
    await readPack(place, body, true);
    return [value.totalMs, value.firstByteMs, usage.cpuMs];
  },
};

function againRow(id: string, kind: PackKind, atLeast: number): Row {
  return {
    id,
    title: `pack: ${kind}`,
    transports: everywhere,
    metrics: [
      { name: 'first request', unit: 'ms' },
      { name: 'again', unit: 'ms', atLeast: { http: atLeast } },
      { name: 'again, first byte', unit: 'ms' },
      { name: 'again, cpu', unit: 'ms' },
    ],
    rounds: 3,
    measure: async (contestant, { repository }) => {
      const place = await atFreshCopy(contestant, repository);
      const body = await requestFor(place, kind);
      const first = await drainPack(place, body);
      const { value, usage } = await usageOf(place, () => drainPack(place, body));
      await readPack(place, body, true);
      return [first.totalMs, value.totalMs, value.firstByteMs, usage.cpuMs];
    },
  };
}

export const depth1Again = againRow('depth-1', 'depth 1', 30);
export const bloblessAgain = againRow('blobless', 'blob:none', 3);

const clones = 8;

export const parallelClones: Row = {
  id: 'parallel-clones',
  title: `${clones} full packs at once`,
  transports: everywhere,
  metrics: [
    { name: 'nothing cached', unit: 'ms', atLeast: { http: 5 } },
    { name: 'nothing cached, memory', unit: 'MiB', atLeast: { http: 5 } },
    { name: 'again', unit: 'ms', atLeast: { http: 5 } },
    { name: 'again, memory', unit: 'MiB', atLeast: { http: 5 } },
    { name: 'again, cpu', unit: 'ms' },
    { name: 'once more, memory with mapped files', unit: 'MiB' },
  ],
  rounds: 1,
  measure: async (contestant, { repository }) => {
    const place = await atFreshCopy(contestant, repository);
    const body = await requestFor(place, 'full');
    const cloneAll = async (): Promise<number> => {
      const startedMs = performance.now();
      await Promise.all(Array.from({ length: clones }, () => drainPack(place, body)));
      return performance.now() - startedMs;
    };
    const first = await usageOf(place, cloneAll);
    const again = await usageOf(place, cloneAll);
    // What is mapped is dear to count, so nothing else is measured here.
    const mapped = await usageOf(place, cloneAll, { countsMapped: true });
    return [
      first.value,
      first.usage.peakMiB,
      again.value,
      again.usage.peakMiB,
      again.usage.cpuMs,
      mapped.usage.peakMappedMiB,
    ];
  },
};
