import { growthOfHistory, growthOfRefs } from './growth-rows.ts';
import { mirrorPush, noOpFetch, oneCommitPush, sshLsRemote } from './git-client-rows.ts';
import { afterPush, bloblessAgain, depth1Again, fullPack, parallelClones } from './pack-rows.ts';
import { rates } from './rate-rows.ts';
import { memoryAtRest } from './memory-row.ts';
import { refPush, refPushOfClient } from './ref-push-rows.ts';
import type { Row } from './row.ts';

/** Everything that is measured, in this order. */
export const rows: readonly Row[] = [
  memoryAtRest,
  ...rates,
  fullPack,
  afterPush,
  depth1Again,
  bloblessAgain,
  parallelClones,
  sshLsRemote,
  noOpFetch,
  oneCommitPush,
  refPush,
  refPushOfClient,
  mirrorPush,
  growthOfHistory,
  growthOfRefs,
];
