import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Clock, ManualClock } from '#base';
import { Timeouts, type Waiting } from './timeouts.ts';

interface Entry extends Waiting {
  readonly name: string;
}

function newEntry(name: string): Entry {
  return { name, dueMs: 0 };
}

test('any number of entries with the same delay share one timer', () => {
  const clock = new ManualClock();
  let timers = 0;
  const counting: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after(delayMs, task) {
      timers += 1;
      return clock.after(delayMs, task);
    },
  };
  const due: string[] = [];
  const timeouts = new Timeouts<Entry>(counting, ({ name }) => void due.push(name));
  for (let index = 0; index < 1000; index += 1) timeouts.add(newEntry(String(index)), 100);
  assert.equal(timers, 1);
  clock.advance(100);
  assert.equal(due.length, 1000);
  assert.equal(timers, 1);
});

test('every entry is due exactly when its last wait is over, unless it was removed', () => {
  const delays = fc.constantFrom(10, 25, 40);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), entry: fc.nat(4), delayMs: delays }),
    fc.record({ kind: fc.constant('remove' as const), entry: fc.nat(4) }),
    fc.record({ kind: fc.constant('advance' as const), byMs: fc.integer({ min: 1, max: 30 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const clock = new ManualClock();
      const due: string[] = [];
      const timeouts = new Timeouts<Entry>(clock, ({ name }) => void due.push(`${name}@${clock.nowMs()}`));
      const entries = [0, 1, 2, 3, 4].map((index) => newEntry(String(index)));
      // The model: for each entry, the delay that it waits with and when that is over.
      const waiting = new Map<number, { readonly delayMs: number; readonly dueMs: number }>();
      const expected: string[] = [];
      for (const step of steps) {
        const entry = step.kind === 'advance' ? undefined : entries[step.entry];
        if (step.kind === 'advance') {
          const untilMs = clock.nowMs() + step.byMs;
          for (const [index, { dueMs }] of waiting) {
            if (dueMs > untilMs) continue;
            expected.push(`${index}@${dueMs}`);
            waiting.delete(index);
          }
          clock.advance(step.byMs);
        } else if (entry !== undefined) {
          const former = waiting.get(step.entry);
          const again = step.kind === 'add' && former?.delayMs === step.delayMs;
          if (former !== undefined && !again) timeouts.remove(entry, former.delayMs);
          waiting.delete(step.entry);
          if (step.kind === 'remove') continue;
          timeouts.add(entry, step.delayMs);
          waiting.set(step.entry, { delayMs: step.delayMs, dueMs: clock.nowMs() + step.delayMs });
        }
      }
      assert.deepEqual(due.toSorted(), expected.toSorted());
    }),
  );
});
