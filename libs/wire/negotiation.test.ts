import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Oid } from '#base';
import { Negotiation } from './negotiation.ts';
import type { CommitNode, UploadPackRepository } from './repository.ts';

const oidOf = (index: number): Oid => String(index).padStart(40, '0');

interface Asked {
  readonly repository: UploadPackRepository;
  /** Commits that were looked at. */
  readonly nodes: Oid[];
}

/** A straight history, the root first; times in seconds. */
function history(times: readonly number[], withGenerations: boolean): Asked {
  const nodes: Oid[] = [];
  let corrected = 0;
  const commits = times.map((committerTimeSeconds, index): CommitNode => {
    corrected = Math.max(corrected + 1, committerTimeSeconds);
    const generation = { level: index + 1, correctedTimeSeconds: corrected };
    return {
      oid: oidOf(index),
      parents: index === 0 ? [] : [oidOf(index - 1)],
      committerTimeSeconds,
      ...(withGenerations && { generation }),
    };
  });
  const repository: Pick<UploadPackRepository, 'existing' | 'commitNode'> = {
    existing: async (oids) => new Set(oids.filter((oid) => Number(oid) < times.length)),
    commitNode: async (oid) => {
      nodes.push(oid);
      return commits[Number(oid)];
    },
  };
  return { repository: repository as UploadPackRepository, nodes };
}

async function isReady({ repository }: Asked, want: number, have: number): Promise<boolean> {
  const negotiation = new Negotiation(repository, [oidOf(want)], 1000);
  await negotiation.add([oidOf(have)]);
  return await negotiation.isReady();
}

const steady = Array.from({ length: 100 }, (_, index) => 1000 + index);
// Somebody's clock was wrong for a while.
const skewed = steady.map((time, index) => (index >= 50 && index < 90 ? 10 : time));

test('a wrong clock hides what is common only where there are no generation numbers', async () => {
  assert.equal(await isReady(history(steady, false), 99, 40), true);
  assert.equal(await isReady(history(skewed, false), 99, 40), false);
  assert.equal(await isReady(history(skewed, true), 99, 40), true);
});

test('generation numbers end a walk that leads nowhere at once', async () => {
  // All at the same second, so that times say nothing.
  const same = steady.map(() => 1000);
  const slow = history(same, false);
  assert.equal(await isReady(slow, 50, 99), false);
  const fast = history(same, true);
  assert.equal(await isReady(fast, 50, 99), false);
  assert.ok(slow.nodes.length > 50);
  assert.ok(fast.nodes.length < 5, String(fast.nodes.length));
});
