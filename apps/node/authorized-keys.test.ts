import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fuzzRuns } from '#test/fuzz';
import { parseAuthorizedKey } from './authorized-key-line.ts';
import { AuthorizedKeys } from './authorized-keys.ts';

const blob = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIGJ1bGxzaGl0', 'base64');
const base64 = blob.toString('base64');
const key = `ssh-ed25519 ${base64}`;
const nowMs = Date.UTC(2026, 0, 15, 12);

async function judge(text: string, from = '10.1.2.3'): Promise<string> {
  const keys = new AuthorizedKeys(() => Promise.resolve(text), { nowMs: () => nowMs });
  const verdict = await keys.judge({ algorithm: 'ssh-ed25519', blob }, from);
  return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
}

test('a key is found with and without options and comment', async () => {
  assert.equal(await judge(key), 'allowed');
  assert.equal(await judge(`# first\n\n  ${key} ada@laptop\r\n`), 'allowed');
  assert.equal(await judge(`no-pty,restrict,X11-forwarding,permitopen="a:1" ${key} two words\n`), 'allowed');
});

test('a key in a comment line, a part of a key and an empty file do not count', async () => {
  for (const text of [`#${key}`, `${key}x`, '', base64, `frotz ${base64}`, `ssh-rsa AAAA ${key}`]) {
    assert.equal(await judge(text), 'unknown', text);
  }
});

test('a forced command is honoured where it is git-shell, and refuses the key where it is not', async () => {
  const shell = String.raw`command="git-shell -c \"$SSH_ORIGINAL_COMMAND\""`;
  assert.equal(await judge(`${shell},no-pty ${key}`), 'allowed');
  assert.equal(await judge(`${shell.replace('git-shell', '/usr/bin/git shell')} ${key}`), 'allowed');
  for (const command of ['x y', '/bin/false', String.raw`git-shell -c \"$SSH_ORIGINAL_COMMAND\"; id`]) {
    assert.match(await judge(`command="${command}" ${key}`), /forced command/, command);
  }
});

test('from= lets a key in from its addresses only', async () => {
  for (const [from, allowed] of [
    ['10.1.2.3', true],
    ['10.1.2.*', true],
    ['10.1.2.?', true],
    ['10.0.0.0/8,192.168.0.1', true],
    ['192.168.0.0/16', false],
    ['*,!10.1.0.0/16', false],
    ['10.1.2', false],
    ['host.example.org', false],
    ['10.0.0.0/99', false],
    ['::/0', false],
  ] as const) {
    assert.equal(
      await judge(`from="${from}" ${key}`),
      allowed ? 'allowed' : 'it may not come from this address (from=)',
      from,
    );
  }
  assert.equal(await judge(`from="2001:db8::/32" ${key}`, '2001:db8::1'), 'allowed');
});

test('expiry-time= ends a key', async () => {
  assert.equal(await judge(`expiry-time="20270101Z" ${key}`), 'allowed');
  assert.match(await judge(`expiry-time="202601151159Z" ${key}`), /expired/);
  assert.equal(await judge(`expiry-time="20260115120001Z" ${key}`), 'allowed');
  assert.match(await judge(`expiry-time="soon" ${key}`), /not understood/);
});

test('an option that is not known, or cannot be read, refuses the key', async () => {
  for (const options of [
    'cert-authority',
    'environment="A=b"',
    'frotz',
    'verify-required',
    'from="10.1.2.3',
    'no-pty,,restrict',
    'from',
  ]) {
    assert.match(await judge(`${options} ${key}`), /is not served here|unknown/, options);
  }
});

test('one line that lets a key in is enough', async () => {
  assert.equal(await judge(`from="1.2.3.4" ${key}\nfrom="10.1.2.3" ${key}\n`), 'allowed');
});

test('no line makes the parser throw', () => {
  const piece = fc.constantFrom('ssh-ed25519', ' ', 'AAAA', '"', '\\', ',', '=', 'from', '#', 'no-pty', '\t');
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      parseAuthorizedKey(pieces.join(''));
    }),
    fuzzRuns(200),
  );
});
