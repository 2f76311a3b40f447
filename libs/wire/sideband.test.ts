import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { decodePktLine } from './pkt-line.ts';
import { keepAlivePkt, sidebandPackets } from './sideband.ts';
import { band } from './testing/transcript.ts';

test('packets carry at most 995 bytes in side-band and 65515 in side-band-64k', () => {
  const bytes = Buffer.alloc(140_000);
  const sizes = (mode: 'side-band' | 'side-band-64k'): Set<number> =>
    new Set(sidebandPackets(1, bytes, mode).map((chunk) => chunk.length));
  assert.deepEqual([...sizes('side-band-64k')], [5, 65_515, 140_000 - 2 * 65_515]);
  assert.deepEqual([...sizes('side-band')], [5, 995, 140_000 % 995]);
});

test('the payload is handed on as a view, not as a copy', () => {
  const bytes = Buffer.from('pack bytes');
  const [, payload] = sidebandPackets(1, bytes, 'side-band-64k');
  assert.equal(payload?.buffer, bytes.buffer);
  assert.equal(payload?.byteOffset, bytes.byteOffset);
});

test('a keep-alive is a packet of band 1 without payload', () => {
  assert.equal(Buffer.from(keepAlivePkt).toString('latin1'), '0005\u0001');
});

test('every packet fits, and together they are the bytes that went in', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 5_000 }),
      fc.constantFrom('side-band' as const, 'side-band-64k' as const),
      fc.constantFrom(1 as const, 2 as const, 3 as const),
      (bytes, mode, number) => {
        const stream = Buffer.concat(sidebandPackets(number, bytes, mode));
        assert.deepEqual(band(stream, number), Buffer.from(bytes));
        if (bytes.length > 0) {
          const first = decodePktLine(stream);
          assert.ok(
            first.status === 'complete' && first.consumedBytes <= (mode === 'side-band' ? 1_000 : 65_520),
          );
        }
      },
    ),
    fuzzRuns(200),
  );
});
