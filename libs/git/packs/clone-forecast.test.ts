import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PackRequest } from '#wire';
import { Snapshot } from '../refs/snapshot.ts';
import { CloneForecast } from './clone-forecast.ts';

const oid = (digit: number): string => `${digit}`.repeat(40);

function snapshot(main: number): Snapshot {
  return new Snapshot(main, {}, [
    { name: 'refs/heads/main', oid: oid(main) },
    { name: 'refs/heads/same', oid: oid(main) },
    { name: 'refs/notes/commits', oid: oid(8) },
    { name: 'refs/tags/v1', oid: oid(9), peeled: oid(1) },
  ]);
}

function clone(...wants: readonly number[]): PackRequest {
  return {
    wants: wants.map(oid),
    haves: [],
    clientShallows: [],
    newShallows: [],
    unshallows: [],
    thinPack: true,
    ofsDelta: true,
    includeTag: true,
    progress: true,
  };
}

test('the next clone asks for what the last one did, as it is then', () => {
  for (const others of [[], [8]]) {
    const forecast = new CloneForecast();
    assert.equal(forecast.next(snapshot(1)), undefined);
    forecast.saw(clone(1, 9, ...others), snapshot(1));
    const expected = { ...clone(2, 9, ...others), progress: false };
    const { wants = [], ...rest } = forecast.next(snapshot(2)) ?? {};
    assert.deepEqual({ ...rest, wants: wants.toSorted() }, { ...expected, wants: expected.wants.toSorted() });
  }
});

test('a clone of something else foretells nothing', () => {
  const forecast = new CloneForecast();
  forecast.saw(clone(1), snapshot(1));
  assert.equal(forecast.isExpected, false);
  assert.equal(forecast.next(snapshot(2)), undefined);
});

test('nothing is foretold for long after the last clone', () => {
  const forecast = new CloneForecast();
  for (const _ of [1, 2]) {
    forecast.saw(clone(1, 9), snapshot(1));
    let foretold = 0;
    while (forecast.isExpected && foretold < 100) if (forecast.next(snapshot(2)) !== undefined) foretold += 1;
    assert.equal(foretold, 8);
    assert.equal(forecast.next(snapshot(2)), undefined);
  }
});
