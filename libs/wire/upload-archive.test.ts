import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainOptions } from '#test/plain-doors';
import { type Conversation, encodePktLine, serveUploadArchive } from '#wire';

/** Runs one request, given as chunks, over a repository that answers `ACK` and what it was asked. */
async function run(
  chunks: readonly Uint8Array[],
): Promise<{ readonly said: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const said: Uint8Array[] = [];
  const conversation: Conversation = {
    input: (async function* () {
      yield* chunks;
    })(),
    output: {
      write: async (...written) => {
        said.push(...written);
      },
    },
    version: 0,
    stateless: false,
    signal: new AbortController().signal,
  };
  await serveUploadArchive(
    {
      async *archive(request) {
        asked.push(Buffer.from(request).toString('latin1'));
        yield Buffer.from('0008ACK\n0000');
      },
    },
    conversation,
    plainOptions,
  );
  return { said: Buffer.concat(said).toString('latin1'), asked };
}

const request = Buffer.concat([
  ...['--format=tar', 'ma\u00ffin', '--', 'a\nb'].map((text) => encodePktLine(`argument ${text}\n`)),
  Buffer.from('0000'),
]);

test('the arguments are handed on as they came, also one byte at a time', async () => {
  const whole = await run([request]);
  assert.deepEqual(whole, { said: '0008ACK\n0000', asked: [request.toString('latin1')] });
  assert.deepEqual(await run([...request].map((byte) => Buffer.of(byte))), whole);
});

test('what is no list of arguments is refused before anything starts', async () => {
  const many = Buffer.concat([
    ...Array.from({ length: 64 }, () => encodePktLine('argument -v\n')),
    Buffer.from('0000'),
  ]);
  for (const [bytes, message] of [
    [encodePktLine('want 1234\n'), /ERR 'argument' token or flush expected/],
    [encodePktLine('argumen'), /ERR 'argument' token or flush expected/],
    [Buffer.from('0001'), /ERR 'argument' token or flush expected/],
    [request.subarray(0, -4), /ERR 'argument' token or flush expected/],
    [request.subarray(0, -6), /ERR The connection ended in the middle of a message/],
    [Buffer.from('zzzz'), /ERR protocol error: bad line length/],
    [many, /ERR Too many options \(>63\)/],
  ] as const) {
    const { said, asked } = await run([bytes]);
    assert.match(said, message);
    assert.deepEqual(asked, []);
  }
});

test('a client that leaves without a word gets none', async () => {
  assert.deepEqual(await run([]), { said: '', asked: [] });
});
