import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock, PackhorseError, silentLog } from '#base';
import { type Maintained, MaintenanceScheduler } from './scheduler.ts';

const delayMs = 1_000;

const deferMs = 10_000;

function scheduler(
  maxMaintenances = 1,
  isBusy = (): boolean => false,
): { clock: ManualClock; maintenance: MaintenanceScheduler } {
  const clock = new ManualClock();
  const limits = { maxMaintenances, maintenanceDelayMs: delayMs, maintenanceDeferMs: deferMs };
  return { clock, maintenance: new MaintenanceScheduler(limits, { clock, log: silentLog, isBusy }) };
}

/** A repository whose maintenance ends when it is told to. */
class Repository implements Maintained {
  readonly gitDir: string;
  runs = 0;
  nextAtMs: number | undefined;
  failure: Error | undefined;
  #end: (() => void) | undefined;
  #holds = false;

  constructor(gitDir: string) {
    this.gitDir = gitDir;
  }

  hold(): this {
    this.#holds = true;
    return this;
  }

  end(): void {
    this.#end?.();
  }

  async maintain({ signal }: { readonly signal: AbortSignal }): Promise<{ nextAtMs: number | undefined }> {
    this.runs += 1;
    if (this.#holds) {
      await new Promise<void>((resolve, reject) => {
        this.#end = resolve;
        signal.addEventListener('abort', () => reject(new PackhorseError('cancelled', 'stopped')));
      });
    }
    if (this.failure !== undefined) throw this.failure;
    return { nextAtMs: this.nextAtMs };
  }
}

async function turns(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await nextTurn();
}

test('pushes within the delay count as one, and it is not extended', async () => {
  const { clock, maintenance } = scheduler();
  const repository = new Repository('a');
  for (let count = 0; count < 5; count += 1) {
    maintenance.changed(repository);
    clock.advance(delayMs / 5);
  }
  await turns();
  assert.equal(repository.runs, 1);
  clock.advance(10 * delayMs);
  await turns();
  assert.equal(repository.runs, 1);
  assert.deepEqual(maintenance.counts, { running: 0, waiting: 0, succeeded: 1, failed: 0 });
});

test('only so many run at once, and the others wait for their turn', async () => {
  const { clock, maintenance } = scheduler(2);
  const all = ['a', 'b', 'c'].map((name) => new Repository(name).hold());
  for (const repository of all) maintenance.changed(repository);
  clock.advance(delayMs);
  await turns();
  assert.deepEqual(
    all.map(({ runs }) => runs),
    [1, 1, 0],
  );
  assert.deepEqual([maintenance.counts.running, maintenance.counts.waiting], [2, 1]);
  all[0]?.end();
  await turns();
  assert.equal(all[2]?.runs, 1);
});

test('a run says when to come back, and a failure waits for the next change', async () => {
  const { clock, maintenance } = scheduler();
  const repository = new Repository('a');
  repository.nextAtMs = 60_000;
  maintenance.changed(repository);
  clock.advance(delayMs);
  await turns();
  repository.nextAtMs = undefined;
  repository.failure = new RangeError('no luck');
  clock.advance(58_000);
  await turns();
  assert.equal(repository.runs, 1);
  clock.advance(2_000);
  await turns();
  assert.equal(repository.runs, 2);
  clock.advance(1_000_000);
  await turns();
  assert.equal(repository.runs, 2);
  assert.equal(maintenance.counts.failed, 1);
});

test('forgetting a repository, and stopping, end what runs', async () => {
  const { clock, maintenance } = scheduler(2);
  const [one, other] = [new Repository('a').hold(), new Repository('b').hold()];
  maintenance.changed(one);
  maintenance.changed(other);
  clock.advance(delayMs);
  await turns();
  maintenance.forget('a');
  await turns();
  assert.deepEqual([maintenance.counts.running, maintenance.counts.failed], [1, 0]);
  await maintenance.stop();
  assert.equal(maintenance.counts.running, 0);
  maintenance.changed(one);
  clock.advance(delayMs);
  await turns();
  assert.equal(one.runs, 1);
});

test('maintenance leaves the machine to pushes that are being indexed, but not for ever', async () => {
  const pushes = { running: 1 };
  const { clock, maintenance } = scheduler(1, () => pushes.running > 0);
  const [one, other] = [new Repository('a'), new Repository('b')];
  maintenance.changed(one);
  clock.advance(deferMs / 2);
  await turns();
  assert.equal(one.runs, 0);
  assert.equal(maintenance.counts.waiting, 1);
  pushes.running = 0;
  clock.advance(delayMs);
  await turns();
  assert.equal(one.runs, 1);
  pushes.running = 1;
  maintenance.changed(other);
  clock.advance(deferMs + 2 * delayMs);
  await turns();
  assert.equal(other.runs, 1);
});
