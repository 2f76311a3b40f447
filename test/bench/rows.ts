import { memoryOf, mirrorPush, noOpFetch, oneCommitPush, refPush, sshLsRemote } from './git-client-rows.ts';
import type { Contestant } from './contestant.ts';
import { readPack } from './pack-client.ts';
import { fetchRequest, lsRefs, wantsOf, type PackKind } from './protocol.ts';
import { requestRate, type MeasuredRequest } from './request-rate.ts';

export type Unit = 'requests/s' | 'ms' | 'MiB';

export interface Metric {
  readonly name: string;
  readonly unit: Unit;
}

export interface RunContext {
  readonly isQuick: boolean;
  /** The measured repository on this machine's disk. */
  readonly repository: string;
}

/** One thing that is measured, on every server that can do it. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly transports: readonly Contestant['transport'][];
  readonly metrics: readonly Metric[];
  /** How often it is measured on each server; the median counts. */
  readonly rounds: number;
  /** One value for each metric. */
  measure(contestant: Contestant, context: RunContext): Promise<readonly number[]>;
}

const everywhere = ['http', 'git', 'ssh'] as const;

function rateRow(id: string, title: string, request: MeasuredRequest): Row {
  return {
    id,
    title,
    transports: ['http'],
    metrics: [{ name: 'rate', unit: 'requests/s' }],
    rounds: 3,
    measure: async (contestant, { isQuick }) => [await requestRate(contestant, request, isQuick ? 1 : 4)],
  };
}

const rates: readonly Row[] = [
  rateRow('advertisement', 'capability advertisement, v2', {
    method: 'GET',
    path: '/info/refs?service=git-upload-pack',
    protocol: 'version=2',
    expected: /version 2\n/,
  }),
  rateRow('advertisement-v0', 'advertisement of all refs, v0', {
    method: 'GET',
    path: '/info/refs?service=git-upload-pack',
    protocol: undefined,
    expected: /HEAD\0.*\n[^]*refs\/heads\//,
  }),
  rateRow('ls-refs-heads', 'ls-refs, branches', {
    method: 'POST',
    path: '/git-upload-pack',
    protocol: 'version=2',
    body: lsRefs(['HEAD', 'refs/heads/']),
    expected: /refs\/heads\//,
  }),
  rateRow('ls-refs-all', 'ls-refs, all refs', {
    method: 'POST',
    path: '/git-upload-pack',
    protocol: 'version=2',
    body: lsRefs([]),
    expected: /refs\/heads\//,
  }),
];

function packRow(id: string, kind: PackKind): Row {
  return {
    id,
    title: `pack: ${kind}`,
    transports: everywhere,
    metrics: [
      { name: 'total', unit: 'ms' },
      { name: 'first byte', unit: 'ms' },
      { name: 'peak memory', unit: 'MiB' },
      { name: 'of it anonymous', unit: 'MiB' },
    ],
    rounds: 3,
    measure: async (contestant) => {
      const body = fetchRequest(kind, await wantsOf(contestant));
      // Timed without anybody looking at /proc, then once more for the memory and the checksum.
      const timed = await readPack(contestant, body);
      const memory = await memoryOf(contestant, () => readPack(contestant, body, true));
      return [timed.totalMs, timed.firstByteMs, ...memory];
    },
  };
}

const parallelClones: Row = {
  id: 'parallel-clones',
  title: '8 full packs at once',
  transports: everywhere,
  metrics: [
    { name: 'total', unit: 'ms' },
    { name: 'peak memory', unit: 'MiB' },
    { name: 'of it anonymous', unit: 'MiB' },
  ],
  rounds: 1,
  measure: async (contestant) => {
    const body = fetchRequest('full', await wantsOf(contestant));
    const startedMs = performance.now();
    let totalMs = 0;
    const memory = await memoryOf(contestant, async () => {
      await Promise.all(Array.from({ length: 8 }, () => readPack(contestant, body)));
      totalMs = performance.now() - startedMs;
    });
    return [totalMs, ...memory];
  },
};

export const rows: readonly Row[] = [
  ...rates,
  packRow('full-pack', 'full'),
  packRow('depth-1', 'depth 1'),
  packRow('blobless', 'blob:none'),
  parallelClones,
  sshLsRemote,
  noOpFetch,
  oneCommitPush,
  refPush,
  mirrorPush,
];
