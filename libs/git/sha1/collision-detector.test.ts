import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { shattered } from '#test/shattered';
import { CollisionDetector } from './collision-detector.ts';
import { attackKinds } from './disturbance-vectors.ts';

function attackOn(...parts: readonly Uint8Array[]): string | undefined {
  const detector = new CollisionDetector();
  for (const part of parts) detector.update(part);
  return detector.finish();
}

test('both files of the published collision are found out, each alone, whatever follows and however they arrive', () => {
  const [one, other] = shattered;
  assert.ok(one !== undefined && other !== undefined && !one.equals(other));
  assert.deepEqual(createHash('sha1').update(one).digest(), createHash('sha1').update(other).digest());
  for (const file of shattered) {
    assert.equal(attackOn(file), 'II(52,0)');
    assert.equal(attackOn(file, Buffer.from('and more of the same in both')), 'II(52,0)');
    assert.equal(attackOn(...Array.from(file, (byte) => Buffer.of(byte))), 'II(52,0)');
  }
});

test('behind another beginning the same blocks are nothing special', () => {
  for (const file of shattered) {
    assert.equal(attackOn(Buffer.from('blob 320\0'), file), undefined);
    assert.equal(attackOn(Buffer.alloc(64), file), undefined);
    assert.equal(attackOn(file.subarray(0, 319)), undefined);
  }
});

test('every changed bit of the last block ends the collision', () => {
  const [file = Buffer.alloc(0)] = shattered;
  for (let bit = 0; bit < 512; bit += 1) {
    const changed = Buffer.from(file);
    changed[256 + (bit >>> 3)] = (changed[256 + (bit >>> 3)] ?? 0) ^ (1 << (bit & 7));
    assert.equal(attackOn(changed), undefined);
  }
});

test('messages of any length and in any pieces have the SHA-1 that others compute, and are no attack', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 5 }), (pieces) => {
      const detector = new CollisionDetector();
      for (const piece of pieces) detector.update(piece);
      assert.equal(detector.finish(), undefined);
      assert.deepEqual(detector.digest, createHash('sha1').update(Buffer.concat(pieces)).digest());
    }),
    fuzzRuns(300),
  );
});

test('every kind of attack has the states agree where it says, and enough conditions to be ruled out by', () => {
  assert.equal(new Set(attackKinds.map(({ name }) => name)).size, 32);
  for (const { name, conditions, wordDifferences } of attackKinds) {
    assert.ok(conditions.length >= 7, name);
    // The differences are themselves an expanded message.
    for (let step = 16; step < 80; step += 1) {
      const [a, b, c, d] = [3, 8, 14, 16].map((back) => wordDifferences[step - back] ?? 0);
      const word = (a ?? 0) ^ (b ?? 0) ^ (c ?? 0) ^ (d ?? 0);
      assert.equal(wordDifferences[step], (word << 1) | (word >>> 31), name);
    }
  }
});
