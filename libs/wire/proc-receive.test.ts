import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProcReceiveAnswer, type ProcReceiveRequest, talkToProcReceive } from './proc-receive.ts';
import type { RefCommand } from './repository.ts';
import { chunked, packets, transcript } from './testing/transcript.ts';

const zero = '0'.repeat(40);
const oid = '1'.repeat(40);
const command = (name: string): RefCommand => ({ name, oldOid: zero, newOid: oid });
const topic = command('refs/for/main/topic');

async function talk(
  input: Buffer,
  more: Partial<ProcReceiveRequest> = {},
): Promise<{ readonly answer: ProcReceiveAnswer; readonly said: readonly string[] }> {
  const written: Uint8Array[] = [];
  const request: ProcReceiveRequest = {
    commands: [topic],
    otherNames: new Set(['refs/heads/main']),
    atomic: false,
    pushOptions: undefined,
    objectFormat: 'sha1',
    ...more,
  };
  const sink = {
    write: (...chunks: readonly Uint8Array[]) => {
      written.push(...chunks);
      return Promise.resolve();
    },
  };
  const answer = await talkToProcReceive(request, chunked(input, 1), sink);
  return { answer, said: transcript(Buffer.concat(written)) };
}

test('commands and options go to a hook that asks for them, and its report comes back', async () => {
  const input = packets(
    'version=1\0push-options\n',
    '0000',
    'ok refs/for/main/topic\n',
    'option refname refs/pull/1/head\n',
    `option old-oid ${zero}\n`,
    `option new-oid ${oid}\n`,
    'option forced-update\n',
    'ok refs/for/main/topic\n',
    'option refname refs/pull/2/head\n',
    '0000',
  );
  const { answer, said } = await talk(input, { atomic: true, pushOptions: ['a', 'b'] });
  assert.deepEqual(said, [
    'version=1\0atomic push-options',
    '0000',
    `${zero} ${oid} refs/for/main/topic`,
    '0000',
    'a',
    'b',
    '0000',
  ]);
  assert.deepEqual(answer.problems, []);
  assert.ok(answer.succeeded);
  assert.deepEqual(answer.results.get(topic), {
    kind: 'ok',
    reports: [
      { name: 'refs/pull/1/head', oldOid: zero, newOid: oid, forcedUpdate: true },
      { name: 'refs/pull/2/head' },
    ],
  });
});

test('a hook of version 0 gets no push options', async () => {
  const input = packets('0000', 'ok refs/for/main/topic\n', '0000');
  const { said, answer } = await talk(input, { pushOptions: ['a'] });
  assert.equal(said.filter((line) => line === '0000').length, 2);
  assert.ok(answer.succeeded);
});

test('a refusal has its reason, and falling through is left to the server', async () => {
  const other = command('refs/for/main/other');
  const input = packets(
    '0000',
    'ng refs/for/main/topic not reviewed\n',
    'ok refs/for/main/other\n',
    'option fall-through\n',
    '0000',
  );
  const { answer } = await talk(input, { commands: [topic, other] });
  assert.deepEqual(answer.results.get(topic), { kind: 'ng', reason: 'not reviewed' });
  assert.deepEqual(answer.results.get(other), { kind: 'fall-through' });
  assert.equal(answer.succeeded, false);
});

const complaints: Readonly<Record<string, readonly [lines: readonly (string | Buffer)[], problem: string]>> =
  {
    'ends at once': [[], 'fail to negotiate version with proc-receive hook'],
    'breaks off in the middle of a line': [
      [Buffer.from('0010vers')],
      'fail to negotiate version with proc-receive hook',
    ],
    'speaks a later version': [['version=2\n', '0000'], "proc-receive version '2' is not supported"],
    'reports nothing': [['0000'], 'proc-receive exited abnormally'],
    'says half a status': [['0000', 'ok\n', '0000'], "proc-receive reported incomplete status line: 'ok'"],
    'says neither ok nor ng': [
      ['0000', 'maybe refs/for/main/topic\n', '0000'],
      "proc-receive reported bad status 'maybe' on ref 'refs/for/main/topic'",
    ],
    'speaks of a ref that is not its own': [
      ['0000', 'ok refs/heads/main\n', '0000'],
      'proc-receive reported status on unexpected ref: refs/heads/main',
    ],
    'speaks of a ref that nobody pushed': [
      ['0000', 'ok refs/heads/who\n', '0000'],
      'proc-receive reported status on unknown ref: refs/heads/who',
    ],
    'has an option for nothing': [
      ['0000', 'option refname refs/x\n', 'option refname refs/y\n', '0000'],
      "proc-receive reported 'option' without a matching 'ok/ng' directive",
    ],
  };
for (const [what, [lines, problem]] of Object.entries(complaints)) {
  test(`a hook that ${what} has failed`, async () => {
    const { answer } = await talk(packets(...lines));
    assert.deepEqual(answer.problems, [problem]);
    assert.equal(answer.succeeded, false);
    const result = answer.results.get(topic);
    assert.ok(result === undefined || result.kind === 'ng');
  });
}
