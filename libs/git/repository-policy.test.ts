import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '#base';
import { ConfigValues } from './repository-config.ts';
import { readPolicy, type RepositoryMode, type RepositoryPolicy } from './repository-policy.ts';

const settings = readSettings().git;

function policyOf(
  values: Readonly<Record<string, string | readonly string[]>>,
  mode: RepositoryMode,
): RepositoryPolicy {
  const entries = Object.entries(values).flatMap(([key, value]) =>
    (typeof value === 'string' ? [value] : value).map((one) => [key, one] as const),
  );
  const rules = { mode, settings, maxCommands: 10, repository: 'here' };
  return readPolicy(new ConfigValues(entries), rules);
}

test('without configuration our repositories allow what a hosting service does, others what git does', () => {
  const [owned, shared] = [policyOf({}, 'owned'), policyOf({}, 'shared')];
  assert.ok(owned.upload.allowFilter && owned.upload.allowAnySha1InWant);
  assert.ok(
    !shared.upload.allowFilter && !shared.upload.allowAnySha1InWant && !shared.upload.allowTipSha1InWant,
  );
  assert.equal(owned.checks.kind, 'fsck');
  assert.equal(shared.checks.kind, 'links');
  assert.deepEqual([owned.reflogs, shared.reflogs], ['always', 'existing']);
  for (const { receive } of [owned, shared]) {
    assert.ok(!receive.denyNonFastForwards && !receive.denyDeletes && receive.advertiseAtomic);
    assert.equal(receive.certificates, undefined);
    assert.equal(receive.maxPackBytes, settings.maxPackBytes);
  }
  assert.deepEqual(
    [owned.receive.denyCurrentBranch, shared.receive.denyCurrentBranch, shared.receive.denyDeleteCurrent],
    ['refuse', 'unconfigured', 'unconfigured'],
  );
});

test('a repository with a work tree refuses to move its current branch, unless it is told otherwise', () => {
  const action = (value: string): string =>
    policyOf({ 'receive.denycurrentbranch': value }, 'shared').receive.denyCurrentBranch;
  assert.deepEqual(['refuse', 'true', 'updateInstead', 'UPDATEINSTEAD'].map(action), [
    'refuse',
    'refuse',
    'updateInstead',
    'updateInstead',
  ]);
  assert.deepEqual(['ignore', 'warn', 'false', 'Warn'].map(action), ['ignore', 'warn', 'ignore', 'warn']);
  assert.equal(policyOf({ 'core.bare': 'false' }, 'shared').reflogs, 'branches');
});

test('the config decides about deletions, rewinds, hidden refs and sizes', () => {
  const { receive, upload } = policyOf(
    {
      'receive.denynonfastforwards': 'true',
      'receive.denydeletes': 'yes',
      'receive.denydeletecurrent': 'warn',
      'receive.advertiseatomic': 'false',
      'receive.maxinputsize': '1m',
      'transfer.hiderefs': ['refs/t', '!refs/t/x'],
      'receive.hiderefs': 'refs/r',
      'uploadpack.hiderefs': 'refs/u',
      'uploadpack.allowfilter': 'true',
    },
    'shared',
  );
  assert.ok(
    receive.denyNonFastForwards &&
      receive.denyDeletes &&
      receive.denyDeleteCurrent === 'warn' &&
      !receive.advertiseAtomic,
  );
  assert.equal(receive.maxPackBytes, 1 << 20);
  assert.deepEqual(receive.hiddenRefs, ['refs/t', '!refs/t/x', 'refs/r']);
  assert.deepEqual(upload.hiddenRefs, ['refs/t', '!refs/t/x', 'refs/u']);
  assert.ok(upload.allowFilter);
  assert.equal(
    policyOf({ 'receive.maxinputsize': '900g' }, 'owned').receive.maxPackBytes,
    settings.maxPackBytes,
  );
  assert.equal(
    policyOf({ 'receive.maxinputsize': '0' }, 'owned').receive.maxPackBytes,
    settings.maxPackBytes,
  );
});

test('severities of fsck come from the config, and nothing else gets into the argument', () => {
  const severities = (values: Readonly<Record<string, string>>): string => {
    const { checks } = policyOf(values, 'owned');
    assert.equal(checks.kind, 'fsck');
    return checks.kind === 'fsck' ? checks.rules.join(',') : '';
  };
  assert.equal(severities({}), 'badtimezone=ignore,missingspacebeforedate=ignore,zeropaddedfilemode=ignore');
  assert.match(severities({ 'receive.fsck.badtimezone': 'error' }), /badtimezone=error/);
  assert.doesNotMatch(severities({ 'receive.fsck.badtimezone': 'error,hasDotgit=ignore' }), /hasDotgit/);
  assert.doesNotMatch(severities({ 'receive.fsck.skiplist': '/etc/passwd' }), /passwd/);
  const listed = policyOf({ 'receive.fsckobjects': 'true', 'receive.fsck.skiplist': '/srv/skip' }, 'shared');
  assert.deepEqual(listed.checks, { kind: 'fsck', rules: ['skiplist=/srv/skip'], configured: true });
  assert.deepEqual(policyOf({ 'transfer.fsckobjects': 'true' }, 'shared').checks, {
    kind: 'fsck',
    rules: [],
    configured: false,
  });
  assert.equal(
    policyOf({ 'transfer.fsckobjects': 'true', 'receive.fsckobjects': 'false' }, 'shared').checks.kind,
    'links',
  );
});
