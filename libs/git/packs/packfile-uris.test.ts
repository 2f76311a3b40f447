import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import type { PackPart } from '#wire';
import { withPackfileUris } from './packfile-uris.ts';

async function parted(text: string, chunkBytes: number): Promise<string[]> {
  async function* parts(): AsyncGenerator<PackPart> {
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield { kind: 'data', bytes: bytes.subarray(at, at + chunkBytes) };
    }
    yield { kind: 'progress', bytes: Buffer.from('done') };
  }
  const found: string[] = [];
  for await (const { kind, bytes } of withPackfileUris(parts())) {
    const last = found.at(-1);
    if (kind === 'data' && last?.startsWith('data ') === true) found.pop();
    const before = kind === 'data' && last?.startsWith('data ') === true ? last : `${kind} `;
    found.push(before + Buffer.from(bytes).toString('latin1'));
  }
  return found;
}

for (const chunkBytes of [1, 3, 1000]) {
  test(`URIs are told from the pack behind them, ${chunkBytes} bytes at a time`, async () => {
    const pack = 'PACK\0\0\0\u0002 with\nlines\n';
    const lines = 'aa https://example.org/a\nPACKED http://example.org/b\n'.replace('PACKED', 'bb');
    assert.deepEqual(await parted(lines + pack, chunkBytes), [
      'packfile-uri aa https://example.org/a',
      'packfile-uri bb http://example.org/b',
      `data ${pack}`,
      'progress done',
    ]);
    assert.deepEqual(await parted(pack, chunkBytes), [`data ${pack}`, 'progress done']);
  });
}

test('a line without end is an error', async () => {
  await assert.rejects(parted('x'.repeat(100_000), 1000), (error) => hasCode(error, 'internal'));
});
