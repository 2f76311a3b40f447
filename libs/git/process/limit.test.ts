import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode, ManualClock, onBehalfOf, type Requester } from '#base';
import { ConcurrencyLimit } from './limit.ts';

test('so many run, so many wait in their order, and the next is refused', async () => {
  const limit = new ConcurrencyLimit(2, 2);
  const first = await limit.acquire();
  const second = await limit.acquire();
  const order: string[] = [];
  const third = limit.acquire().then((lease) => (order.push('third'), lease));
  const fourth = limit.acquire().then((lease) => (order.push('fourth'), lease));
  await assert.rejects(limit.acquire(), (error) => hasCode(error, 'unavailable'));
  assert.deepEqual([limit.running, limit.waiting], [2, 2]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await fourth;
  assert.deepEqual(order, ['third', 'fourth']);
  second[Symbol.dispose]();
  assert.deepEqual([limit.running, limit.waiting], [1, 0]);
});

test('who stops waiting makes room for another', async () => {
  const limit = new ConcurrencyLimit(1, 1);
  using _running = await limit.acquire();
  const leaving = new AbortController();
  const waiting = limit.acquire(leaving.signal);
  leaving.abort();
  await assert.rejects(waiting, (error) => hasCode(error, 'cancelled'));
  assert.equal(limit.waiting, 0);
  await assert.rejects(limit.acquire(AbortSignal.abort()), (error) => hasCode(error, 'cancelled'));
});

const shares = {
  maxPerRepository: 3,
  maxPerUser: 2,
  maxPerAddress: 2,
  maxWaitingOfEach: 2,
  maxWaitMs: 1_000,
};
const by = (address: string, user?: string, repository = 'r') => ({ repository, user, address });
const busy = (error: unknown): boolean => hasCode(error, 'unavailable');

test('nobody gets more than a share, and whoever has one lets others pass', async () => {
  const limit = new ConcurrencyLimit(4, 10, shares, new ManualClock());
  const acquire = (requester: Requester): Promise<Disposable> => onBehalfOf(requester, () => limit.acquire());
  const first = await acquire(by('10.0.0.1'));
  await acquire(by('10.0.0.1'));
  let thirdIsIn = false;
  const third = acquire(by('10.0.0.1', undefined, 'another')).then((lease) => {
    thirdIsIn = true;
    return lease;
  });
  const other = await acquire(by('10.0.0.2'));
  assert.equal(limit.waiting, 1);
  // Three work on the repository: a fourth has to wait whoever it is.
  const fourth = acquire(by('10.0.0.3'));
  assert.equal(limit.waiting, 2);
  other[Symbol.dispose]();
  await fourth;
  assert.ok(!thirdIsIn);
  first[Symbol.dispose]();
  await third;
  assert.deepEqual([limit.running, limit.waiting], [3, 0]);
  // What the server does by itself is nobody's share.
  await limit.acquire();
});

test('one user has one share, from wherever it is', async () => {
  const limit = new ConcurrencyLimit(10, 10, shares, new ManualClock());
  const acquire = (address: string): Promise<Disposable> =>
    onBehalfOf(by(address, 'ada', address), () => limit.acquire());
  await acquire('10.0.0.1');
  await acquire('10.0.0.2');
  const waiting = [acquire('10.0.0.3'), acquire('10.0.0.4')];
  await assert.rejects(acquire('10.0.0.5'), busy);
  assert.deepEqual([limit.running, limit.waiting, waiting.length], [2, 2, 2]);
});

test('a line that does not move is left after a time', async () => {
  const clock = new ManualClock();
  let refusals = 0;
  const limit = new ConcurrencyLimit(1, 10, shares, clock, () => (refusals += 1));
  const running = await limit.acquire();
  const waiting = onBehalfOf(by('10.0.0.1'), () => limit.acquire());
  clock.advance(999);
  assert.equal(limit.waiting, 1);
  clock.advance(1);
  await assert.rejects(waiting, busy);
  assert.deepEqual([limit.waiting, refusals], [0, 1]);
  running[Symbol.dispose]();
  (await limit.acquire())[Symbol.dispose]();
  assert.equal(limit.running, 0);
});

test('whatever comes and goes, the limits hold and everything is given back', async () => {
  const requester = fc.record({
    address: fc.constantFrom('a', 'b', 'c'),
    user: fc.constantFrom(undefined, 'x', 'y'),
    repository: fc.constantFrom('r', 's'),
  });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('acquire' as const), requester }),
    fc.record({ kind: fc.constantFrom('release' as const, 'abort' as const), index: fc.nat(20) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const limit = new ConcurrencyLimit(4, 5, shares, new ManualClock());
      const held: { readonly requester: Requester; readonly lease: Disposable }[] = [];
      const aborts: AbortController[] = [];
      const pending: Promise<void>[] = [];
      for (const one of steps) {
        if (one.kind === 'acquire') {
          const abort = new AbortController();
          aborts.push(abort);
          const asked = onBehalfOf(one.requester, () => limit.acquire(abort.signal));
          pending.push(
            asked.then(
              (lease) => void held.push({ requester: one.requester, lease }),
              () => undefined,
            ),
          );
        } else if (one.kind === 'release')
          held.splice(one.index % Math.max(1, held.length), 1)[0]?.lease[Symbol.dispose]();
        else aborts[one.index % Math.max(1, aborts.length)]?.abort();
        await new Promise(setImmediate);
        assert.ok(limit.running <= 4 && limit.waiting <= 5);
        assert.equal(limit.running, held.length);
        const count = (test: (of: Requester) => boolean): number =>
          held.filter((of) => test(of.requester)).length;
        for (const name of ['a', 'b', 'c']) assert.ok(count(({ address }) => address === name) <= 2);
        for (const name of ['x', 'y']) assert.ok(count(({ user }) => user === name) <= 2);
        for (const name of ['r', 's']) assert.ok(count(({ repository }) => repository === name) <= 3);
      }
      for (const abort of aborts) abort.abort();
      for (const { lease } of held) lease[Symbol.dispose]();
      await Promise.all(pending);
      for (const { lease } of held) lease[Symbol.dispose]();
      assert.deepEqual([limit.running, limit.waiting], [0, 0]);
    }),
  );
});
