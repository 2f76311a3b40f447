import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Ref } from '#wire';
import { compareRefNames } from './ref-name.ts';
import { Snapshot } from './snapshot.ts';

const oids = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(40));
const name = fc.stringMatching(/^[abé😀\ue000]{1,3}(?:\/[ab]{1,2})?$/u).map((text) => `refs/${text}`);
const oid = fc.constantFrom(...oids);
const ref: fc.Arbitrary<Ref> = fc.record(
  { name, oid, peeled: oid },
  { requiredKeys: ['name', 'oid'], noNullPrototype: true },
);

function sorted(refs: Iterable<Ref>): Ref[] {
  return [...refs].sort((one, other) => compareRefNames(one.name, other.name));
}

function unique(refs: readonly Ref[]): Map<string, Ref> {
  return new Map(refs.map((each) => [each.name, each]));
}

function check(snapshot: Snapshot, model: ReadonlyMap<string, Ref>): void {
  assert.deepEqual(snapshot.refs, sorted(model.values()));
  for (const id of oids) {
    const named = [...model.values()].some((each) => each.oid === id || each.peeled === id);
    assert.equal(snapshot.namesObject(id), named);
  }
}

test('a snapshot finds what a map would find, and so does every snapshot after changes', () => {
  const change = fc.array(fc.tuple(name, fc.option(ref, { nil: undefined })), { maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(ref, { maxLength: 40 }),
      fc.array(change, { maxLength: 5 }),
      name,
      (refs, changes, prefix) => {
        const model = unique(refs);
        let snapshot = new Snapshot(1, {}, sorted(model.values()));
        check(snapshot, model);
        for (const step of changes) {
          const before = { snapshot, model: new Map(model) };
          const wanted = new Map(
            step.map(([key, value]) => [key, value === undefined ? undefined : { ...value, name: key }]),
          );
          for (const [key, value] of wanted) {
            if (value === undefined) model.delete(key);
            else model.set(key, value);
          }
          snapshot = snapshot.after(wanted, {});
          check(snapshot, model);
          check(before.snapshot, before.model);
          assert.equal(snapshot.generation, before.snapshot.generation + 1);
          assert.equal(snapshot.get(prefix), model.get(prefix));
          const matching = sorted(model.values()).filter((each) => each.name.startsWith(prefix));
          assert.deepEqual(snapshot.withPrefix(prefix), matching);
        }
      },
    ),
  );
});

test('a detached HEAD names its object', () => {
  assert.ok(new Snapshot(1, { oid: oids[0] ?? '' }, []).namesObject(oids[0] ?? ''));
});
