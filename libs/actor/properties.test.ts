import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode, ManualClock, PackhorseError } from '#base';
import { newSystem } from './fixture.ts';
import {
  type ActorRef,
  type Address,
  type Asks,
  type Behaviour,
  dynamicSupervisor,
  supervisor,
  worker,
} from './index.ts';

/**
 * Random programs of sends, stops, crashes, kills and pauses against one actor, whose handlers take
 * a random number of pauses themselves. A trace of what happened is then held against the promises.
 */

interface Job {
  readonly type: 'job';
  readonly sender: number;
  readonly sequence: number;
  /** How often the handler lets others run before it is through; 0: it is synchronous. */
  readonly pauses: number;
  readonly fails: boolean;
}

type JobMessage = Asks<Job, string>;

type TraceEvent =
  | { readonly at: 'starts' | 'ends' | 'stop' | 'drain' | 'kill' | 'exited'; readonly incarnation: number }
  | { readonly at: 'accepted' | 'begins' | 'finishes'; readonly incarnation: number; readonly job: Job };

interface WorkArgs {
  readonly trace: TraceEvent[];
  readonly startPauses: number;
  readonly endPauses: number;
}

interface WorkState extends WorkArgs {
  readonly incarnation: number;
}

/** Lets whatever is ready run: microtasks, and at every third pause the event loop too. */
async function pause(times: number): Promise<void> {
  for (let count = 1; count <= times; count += 1) {
    await (count % 3 === 0 ? new Promise(setImmediate) : Promise.resolve());
  }
}

function work({ trace, incarnation }: WorkState, job: Job): string | Promise<string> {
  trace.push({ at: 'begins', incarnation, job });
  const finish = (): string => {
    trace.push({ at: 'finishes', incarnation, job });
    if (job.fails) throw new PackhorseError('data_loss', 'The job failed.');
    return `${job.sender}/${job.sequence}`;
  };
  return job.pauses === 0 ? finish() : pause(job.pauses).then(finish);
}

const working: Behaviour<WorkArgs, WorkState, JobMessage> = {
  kind: 'working',
  mailboxMessages: 5,
  async init(args, self) {
    await pause(args.startPauses);
    args.trace.push({ at: 'starts', incarnation: self.id });
    return { ...args, incarnation: self.id };
  },
  handle: { job: work },
  async terminate({ endPauses, trace, incarnation }) {
    await pause(endPauses);
    trace.push({ at: 'ends', incarnation });
  },
};

const pauses = fc.nat({ max: 7 });
const sending = fc.record({
  do: fc.constantFrom('call' as const, 'cast' as const),
  sender: fc.nat({ max: 2 }),
  pauses,
  fails: fc.constant(false),
});
const failing = fc.record({
  do: fc.constantFrom('call' as const, 'cast' as const),
  sender: fc.nat({ max: 2 }),
  pauses,
  fails: fc.constant(true),
});
const pausing = fc.record({ do: fc.constant('pause' as const), times: pauses });
const ending = fc.record({ do: fc.constantFrom('stop' as const, 'drain' as const, 'kill' as const) });

type Step =
  | {
      readonly do: 'call' | 'cast';
      readonly sender: number;
      readonly pauses: number;
      readonly fails: boolean;
    }
  | { readonly do: 'pause'; readonly times: number }
  | { readonly do: 'stop' | 'drain' | 'kill' };

const timing = fc.record({ startPauses: pauses, endPauses: pauses });

/** Sends jobs, numbered per sender, and remembers how every call ended. */
class Senders {
  readonly calls: Promise<void>[] = [];
  readonly answered: Job[] = [];
  readonly #trace: TraceEvent[];
  readonly #sequences = [0, 0, 0];

  constructor(trace: TraceEvent[]) {
    this.#trace = trace;
  }

  send(
    step: Extract<Step, { readonly do: 'call' | 'cast' }>,
    to: Address<JobMessage>,
    incarnation: number,
  ): void {
    const sequence = this.#sequences[step.sender] ?? 0;
    this.#sequences[step.sender] = sequence + 1;
    const { sender, pauses, fails } = step;
    const job: Job = { type: 'job', sender, sequence, pauses, fails };
    if (step.do === 'cast') {
      if (to.cast(job)) this.#trace.push({ at: 'accepted', incarnation, job });
      return;
    }
    this.#trace.push({ at: 'accepted', incarnation, job });
    this.calls.push(this.#call(job, to));
  }

  async #call(job: Job, to: Address<JobMessage>): Promise<void> {
    try {
      assert.equal(await to.call(job), `${job.sender}/${job.sequence}`);
      this.answered.push(job);
    } catch (error) {
      if (!hasCode(error, 'unavailable', 'data_loss')) throw error;
    }
  }
}

type JobEvent = Extract<TraceEvent, { readonly job: Job }>;

function jobsAt(trace: readonly TraceEvent[], at: JobEvent['at']): Job[] {
  return trace.flatMap((event) => (event.at === at && 'job' in event ? [event.job] : []));
}

/** One at a time: nothing begins, and no actor ends, before what was begun is finished. */
function assertOneAtATime(trace: readonly TraceEvent[]): void {
  const running = new Map<number, Job>();
  for (const event of trace) {
    if (event.at === 'begins') {
      assert.equal(running.get(event.incarnation), undefined);
      running.set(event.incarnation, event.job);
    }
    if (event.at === 'finishes') {
      assert.equal(running.get(event.incarnation), event.job);
      running.delete(event.incarnation);
    }
    if (event.at === 'ends') assert.equal(running.get(event.incarnation), undefined);
  }
}

/** Each sender's jobs begin in the order in which they were sent, and none of them twice. */
function assertOrdered(trace: readonly TraceEvent[]): void {
  for (const sender of [0, 1, 2]) {
    const sequences = jobsAt(trace, 'begins')
      .filter((job) => job.sender === sender)
      .map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      [...new Set(sequences)].toSorted((one, other) => one - other),
    );
  }
}

/** After a stop or a kill nothing begins; after a drain only what had been accepted before. */
function assertNothingAfterStop(trace: readonly TraceEvent[]): void {
  trace.forEach((event, index) => {
    if (event.at !== 'stop' && event.at !== 'kill' && event.at !== 'exited' && event.at !== 'drain') return;
    const later = trace.slice(index).filter(({ incarnation }) => incarnation === event.incarnation);
    const begun = jobsAt(later, 'begins');
    if (event.at === 'drain') {
      const accepted = jobsAt(trace.slice(0, index), 'accepted');
      assert.ok(begun.every((job) => accepted.includes(job)));
    } else {
      assert.deepEqual(begun, []);
    }
  });
}

async function runAgainstOneActor(
  steps: readonly Step[],
  times: { readonly startPauses: number; readonly endPauses: number },
): Promise<{ readonly trace: TraceEvent[]; readonly senders: Senders }> {
  const trace: TraceEvent[] = [];
  const senders = new Senders(trace);
  const ref: ActorRef<JobMessage> = newSystem().spawn(worker(working, { trace, ...times }));
  const incarnation = ref.id;
  const exited = ref.exited().then(() => trace.push({ at: 'exited', incarnation }));
  for (const step of steps) {
    if (step.do === 'pause') {
      await pause(step.times);
    } else if (step.do === 'call' || step.do === 'cast') {
      senders.send(step, ref, incarnation);
    } else {
      if (step.do === 'kill') ref.kill();
      else void ref.stop({ drain: step.do === 'drain' });
      trace.push({ at: step.do, incarnation });
    }
  }
  void ref.stop({ drain: true });
  trace.push({ at: 'drain', incarnation });
  await exited;
  await Promise.all(senders.calls);
  // A killed actor's last handler may still run.
  await pause(30);
  return { trace, senders };
}

test('messages of one sender are handled in order, one at a time, and none after a stop', async () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: sending },
      { weight: 1, arbitrary: failing },
      { weight: 4, arbitrary: pausing },
      { weight: 1, arbitrary: ending },
    ),
    { maxLength: 40, size: 'max' },
  );
  await fc.assert(
    fc.asyncProperty(steps, timing, async (steps, times) => {
      const { trace, senders } = await runAgainstOneActor(steps, times);
      assertOneAtATime(trace);
      assertOrdered(trace);
      assertNothingAfterStop(trace);
      const finished = jobsAt(trace, 'finishes');
      assert.ok(senders.answered.every((job) => finished.includes(job) && !job.fails));
    }),
    { numRuns: 300 },
  );
});

test('every accepted message is handled when an actor is only drained', async () => {
  const steps = fc.array(fc.oneof({ weight: 2, arbitrary: sending }, { weight: 1, arbitrary: pausing }), {
    maxLength: 40,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(steps, timing, async (steps, times) => {
      const { trace, senders } = await runAgainstOneActor(steps, times);
      const casts = jobsAt(trace, 'accepted').length - senders.calls.length;
      assert.equal(jobsAt(trace, 'finishes').length, casts + senders.answered.length);
      assertOrdered(trace);
      assert.equal(
        trace.filter(({ at }) => at === 'ends').length,
        trace.some(({ at }) => at === 'starts') ? 1 : 0,
      );
    }),
    { numRuns: 300 },
  );
});

test('under restarts one incarnation ends before the next begins, and order and isolation hold', async () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: sending },
      { weight: 2, arbitrary: failing },
      { weight: 4, arbitrary: pausing },
      { weight: 1, arbitrary: ending },
    ),
    { maxLength: 50, size: 'max' },
  );
  const strategies = fc.constantFrom('one-for-one' as const, 'one-for-all' as const, 'rest-for-one' as const);
  await fc.assert(
    fc.asyncProperty(steps, timing, strategies, async (steps, times, strategy) => {
      const trace: TraceEvent[] = [];
      const other: TraceEvent[] = [];
      const senders = new Senders(trace);
      const system = newSystem();
      const group = system.spawn(
        supervisor({
          strategy,
          limit: { maxRestarts: 1000, windowMs: 1000 },
          children: {
            other: { spec: worker(working, { trace: other, ...times }) },
            worker: { spec: worker(working, { trace, ...times }) },
          },
        }),
      );
      for (const step of steps) {
        const [present] = group.instances('worker');
        if (step.do === 'pause') {
          await pause(step.times);
        } else if (step.do === 'call' || step.do === 'cast') {
          senders.send(step, group.child('worker'), present?.id ?? 0);
        } else if (present !== undefined) {
          if (step.do === 'kill') present.kill();
          else void present.stop({ drain: step.do === 'drain' });
          trace.push({ at: step.do, incarnation: present.id });
        }
      }
      await system.drain(1000);
      await Promise.all(senders.calls);
      await pause(30);
      assert.equal(group.accepting, false);
      assertOneAtATime(trace);
      assertOrdered(trace);
      assertNothingAfterStop(trace);
      assertNoOverlap(trace);
      // With this strategy the crashes of one never reach the other.
      if (strategy === 'one-for-one') assert.ok(other.filter(({ at }) => at === 'starts').length <= 1);
    }),
    { numRuns: 300 },
  );
});

/** The lives of incarnations do not overlap; a killed one has no end of its own. */
function assertNoOverlap(trace: readonly TraceEvent[]): void {
  let alive: number | undefined;
  for (const { at, incarnation } of trace) {
    if (at === 'starts' && !trace.some((event) => event.at === 'kill' && event.incarnation === incarnation)) {
      assert.equal(alive, undefined);
      alive = incarnation;
    }
    if (at === 'ends' && alive === incarnation) alive = undefined;
  }
}

test('a call to a child on demand is never lost to its idle stop, and a key never has two at work', async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('call' as const), key: fc.constantFrom('a', 'b'), pauses }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('advance' as const), byMs: fc.constantFrom(40, 99, 100, 250) }),
    },
    { weight: 2, arbitrary: pausing },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), timing, async (steps, times) => {
      const clock = new ManualClock();
      const traces: Record<string, TraceEvent[]> = { a: [], b: [] };
      const children = newSystem({ clock }).spawn(
        dynamicSupervisor({
          idleMs: 100,
          // Far away, so that a slow end is waited for and not killed.
          shutdownMs: 1_000_000,
          child: (key) =>
            worker({ ...working, mailboxMessages: 100 }, { trace: traces[key] ?? [], ...times }),
        }),
      );
      const answers: Promise<string>[] = [];
      const expected: string[] = [];
      for (const [sequence, step] of steps.entries()) {
        if (step.do === 'pause') {
          await pause(step.times);
        } else if (step.do === 'advance') {
          clock.advance(step.byMs);
        } else {
          const job: Job = { type: 'job', sender: 0, sequence, pauses: step.pauses, fails: false };
          answers.push(children.child(step.key).call(job, { timeoutMs: 1_000_000 }));
          expected.push(`0/${sequence}`);
        }
      }
      assert.deepEqual(await Promise.all(answers), expected);
      for (const trace of Object.values(traces)) {
        assertOneAtATime(trace);
        assertOrdered(trace);
        assertNoOverlap(trace);
      }
    }),
    { numRuns: 300 },
  );
});
