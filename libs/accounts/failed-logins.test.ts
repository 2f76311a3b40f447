import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock, readSettings } from '#base';
import { FailedLogins } from './failed-logins.ts';

const limits = { maxFailedLogins: 3, maxFailedLoginsPerAddress: 5, failedLoginWindowMs: 1_000 };

function setUp() {
  const clock = new ManualClock(1_000);
  const failedLogins = new FailedLogins({ ...readSettings().accounts, ...limits }, clock);
  const fail = (login: string, address: string): void => void failedLogins.begin(login, address);
  const isLimited = (login: string, address: string): boolean => {
    try {
      // Succeeds at once, so that asking changes nothing.
      failedLogins.begin(login, address)('undecided');
      return false;
    } catch (error) {
      assert.ok(hasCode(error, 'resource_exhausted'));
      assert.ok(Number(error.metadata['retryAfterMs']) > 0);
      return true;
    }
  };
  return { clock, failedLogins, fail, isLimited };
}

function repeat(times: number, task: (index: number) => void): void {
  for (let index = 0; index < times; index += 1) task(index);
}

test('one login is guessed at from one address only so often, until the window is over', () => {
  const { clock, fail, isLimited } = setUp();
  repeat(3, () => fail('ada', '192.0.2.1'));
  assert.ok(isLimited('ada', '192.0.2.1'));
  assert.ok(!isLimited('ada', '192.0.2.2'), 'from elsewhere its owner still gets in');
  assert.ok(!isLimited('bob', '192.0.2.1'));
  clock.advance(limits.failedLoginWindowMs);
  assert.ok(!isLimited('ada', '192.0.2.1'));
});

test('an address that tries many logins is limited for all of them', () => {
  const { fail, isLimited } = setUp();
  repeat(5, (index) => fail(`user${index}`, '192.0.2.1'));
  assert.ok(isLimited('another', '192.0.2.1'));
  assert.ok(!isLimited('another', '192.0.2.2'));
});

test('success forgives the failures of that login, but makes no room for others', () => {
  const { failedLogins, fail, isLimited } = setUp();
  repeat(2, () => fail('mallory', '192.0.2.1'));
  failedLogins.begin('mallory', '192.0.2.1')('succeeded');
  repeat(2, () => fail('mallory', '192.0.2.1'));
  assert.ok(!isLimited('mallory', '192.0.2.1'));
  fail('ada', '192.0.2.1');
  assert.ok(isLimited('ada', '192.0.2.1'), 'four failures of mallory and one of ada');
});

test('an attempt that could not be decided counts for nothing, and forgives nothing', () => {
  const { failedLogins, fail, isLimited } = setUp();
  repeat(2, () => fail('ada', '192.0.2.1'));
  failedLogins.begin('ada', '192.0.2.1')('undecided');
  assert.ok(!isLimited('ada', '192.0.2.1'));
  fail('ada', '192.0.2.1');
  assert.ok(isLimited('ada', '192.0.2.1'));
});

test('attempts that are under way count already', () => {
  const { failedLogins, isLimited } = setUp();
  const settle = [1, 2, 3].map(() => failedLogins.begin('ada', '192.0.2.1'));
  assert.ok(isLimited('ada', '192.0.2.1'));
  for (const each of settle) each('succeeded');
  assert.ok(!isLimited('ada', '192.0.2.1'));
});

for (const [one, other] of [
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
  ['2001:db8::1', '2001:db8:0:0:5::'],
  ['::1', '::2'],
  ['fe80::1%eth0', 'fe80::2%eth1'],
  ['192.0.2.1', '::ffff:192.0.2.1'],
] as const) {
  test(`${one} and ${other} count as one address`, () => {
    const { fail, isLimited } = setUp();
    repeat(3, () => fail('ada', one));
    assert.ok(isLimited('ada', other));
  });
}

for (const [one, other] of [
  ['2001:db8:1:2::1', '2001:db8:1:3::1'],
  ['2001:db8::1', '2001:db8:0:1::1'],
  ['192.0.2.1', '192.0.2.10'],
  ['', 'unknown'],
] as const) {
  test(`${one || 'no address'} and ${other} count as two addresses`, () => {
    const { fail, isLimited } = setUp();
    repeat(3, () => fail('ada', one));
    assert.ok(!isLimited('ada', other));
  });
}
