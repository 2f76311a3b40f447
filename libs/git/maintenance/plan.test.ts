import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readSettings } from '#base';
import type { ObjectSurvey, PackFacts } from './object-survey.ts';
import { basePackOf, geometricRollUp, type PackState, planRepack } from './plan.ts';

const limits = readSettings().git;

function pack(name: string, objects: number, extra: Partial<PackFacts> = {}): PackFacts {
  return {
    name,
    objects,
    sizeBytes: objects * 100,
    mtimeMs: 1,
    hasBitmap: false,
    isCruft: false,
    isKept: false,
    ...extra,
  };
}

function state(packs: readonly PackFacts[], extra: Partial<PackState> = {}, looseObjects = 0): PackState {
  const survey: ObjectSurvey = {
    packs,
    looseObjects,
    hasMultiPackIndex: false,
    hasMultiPackBitmap: false,
    strays: [],
  };
  return { survey, retired: new Set(), nowMs: 1e12, lastFullAtMs: 1e12, ...extra };
}

const base = pack('base', 10_000, { hasBitmap: true });
const some = (count: number, objects: number): PackFacts[] =>
  Array.from({ length: count }, (_, index) => pack(`small-${index}`, objects));

test('a repository that is in order is left alone', () => {
  assert.deepEqual(planRepack(state([base]), limits), { kind: 'none' });
  assert.deepEqual(planRepack(state([base, ...some(limits.maintenancePacks, 3)]), limits), { kind: 'none' });
  assert.deepEqual(planRepack(state([]), limits), { kind: 'none' });
  assert.deepEqual(planRepack(state([pack('one', 50)]), limits), { kind: 'none' }, 'too small for a bitmap');
});

test('many small packs become one, and the base pack stays', () => {
  const packs = [base, ...some(limits.maintenancePacks + 1, 3), pack('large', 1000)];
  const plan = planRepack(state(packs), limits);
  assert.equal(plan.kind, 'combine');
  assert.deepEqual(
    plan.kind === 'combine' && plan.packs.toSorted(),
    some(limits.maintenancePacks + 1, 3).map(({ name }) => name),
  );
  assert.equal(planRepack(state([base], {}, limits.maintenanceLooseObjects + 1), limits).kind, 'combine');
});

test('what would outgrow the base pack goes into a new one', () => {
  assert.equal(planRepack(state([base, ...some(limits.maintenancePacks + 1, 700)]), limits).kind, 'full');
  assert.equal(planRepack(state(some(limits.maintenancePacks + 1, 3)), limits).kind, 'full');
  assert.equal(planRepack(state([pack('imported', 50_000)]), limits).kind, 'full', 'worth a bitmap');
});

test('unreachable objects are looked at again when their time has come', () => {
  const cruft = pack('cruft', 5, { isCruft: true });
  assert.equal(planRepack(state([base, cruft]), limits).kind, 'none');
  const late = { nowMs: 1e12 + limits.unreachableGraceMs + 1 };
  assert.equal(planRepack(state([base, cruft], late), limits).kind, 'full');
  assert.equal(planRepack(state([base], late), limits).kind, 'none');
  assert.equal(
    planRepack(state([base, cruft], { ...late, retired: new Set(['cruft']) }), limits).kind,
    'none',
  );
});

test('retired, kept and cruft packs count for nothing', () => {
  const many = some(20, 5);
  const retired = new Set(many.map(({ name }) => name));
  assert.equal(planRepack(state([base, ...many], { retired }), limits).kind, 'none');
  const kept = many.map((each) => ({ ...each, isKept: true }));
  assert.equal(planRepack(state([base, ...kept]), limits).kind, 'none');
  assert.equal(basePackOf(state([base], { retired: new Set(['base']) })), undefined);
});

test('after a roll-up each pack holds at least twice what all smaller ones hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 20 }),
      fc.nat(50),
      (sizes, loose) => {
        const packs = sizes.map((objects, index) => pack(`p${index}`, objects));
        const rolled = geometricRollUp(packs, loose);
        const sum = rolled.reduce((total, { objects }) => total + objects, loose);
        const rest = packs.filter((each) => !rolled.includes(each)).map(({ objects }) => objects);
        let smaller = sum;
        for (const objects of rest.toSorted((one, other) => one - other)) {
          assert.ok(objects >= 2 * smaller, `${objects} after ${smaller}`);
          smaller += objects;
        }
      },
    ),
  );
});
