import * as fc from 'fast-check';

/** How long decoders are fed with damage: `PACKHORSE_FUZZ_FACTOR=100` runs a hundred times as many cases. */
const factor = Number(process.env['PACKHORSE_FUZZ_FACTOR'] ?? 1);

/**
 * So many cases, the same in every run; a longer run begins with them and goes on. What fails is
 * shrunk and printed, to be kept as an ordinary test.
 */
export function fuzzRuns(numRuns: number): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: Math.ceil(numRuns * factor), seed: 20_261_121 };
}

/** `sample` with some bytes changed, a stretch of it doubled or left out, or its end cut off. */
export function damaged(sample: Buffer): fc.Arbitrary<Buffer> {
  const position = fc.nat(Math.max(0, sample.length - 1));
  const changes = fc.array(fc.tuple(position, fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  const stretch = fc.tuple(position, fc.integer({ min: 1, max: 16 }));
  return fc.oneof(
    changes.map((edits) => {
      const bytes = Buffer.from(sample);
      for (const [at, value] of edits) bytes[at] = value;
      return bytes;
    }),
    stretch.map(([at, length]) => Buffer.concat([sample.subarray(0, at), sample.subarray(at + length)])),
    stretch.map(([at, length]) => Buffer.concat([sample.subarray(0, at + length), sample.subarray(at)])),
    position.map((length) => Buffer.from(sample.subarray(0, length))),
  );
}
