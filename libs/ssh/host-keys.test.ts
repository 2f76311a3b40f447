import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import { hasCode } from '#base';
import { runChecked } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { generateUsable, loadOrCreateHostKeys } from './host-keys.ts';

test('host keys are made once, readable by their owner only, and understood by OpenSSH', async () => {
  const directory = join(temporaryDirectory('host-keys'), 'ssh');
  const made = await loadOrCreateHostKeys(directory);
  assert.deepEqual(
    made.map(({ key }) => key.type),
    ['ssh-ed25519', 'ecdsa-sha2-nistp256'],
  );
  const files = readdirSync(directory).sort();
  assert.deepEqual(files, ['ssh_host_ecdsa_key', 'ssh_host_ed25519_key']);
  for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600);
  const listed = await runChecked('ssh-keygen', ['-l', '-f', join(directory, 'ssh_host_ed25519_key')]);
  assert.equal(listed.split(' ')[1], made[0]?.fingerprint);
  const again = await loadOrCreateHostKeys(directory);
  assert.deepEqual(
    again.map(({ fingerprint }) => fingerprint),
    made.map(({ fingerprint }) => fingerprint),
  );
});

test('a key made by ssh-keygen is taken as it is', async () => {
  const directory = temporaryDirectory('host-keys');
  const path = join(directory, 'ssh_host_ed25519_key');
  await runChecked('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  const before = readFileSync(path, 'utf8');
  const [key] = await loadOrCreateHostKeys(directory);
  assert.equal(key?.fingerprint, (await runChecked('ssh-keygen', ['-l', '-f', path])).split(' ')[1]);
  assert.equal(readFileSync(path, 'utf8'), before);
});

test('a key that others may read, or that is none, is refused and not replaced', async () => {
  const directory = temporaryDirectory('host-keys');
  await loadOrCreateHostKeys(directory);
  const path = join(directory, 'ssh_host_ed25519_key');
  chmodSync(path, 0o644);
  const refused = (thrown: unknown): boolean => hasCode(thrown, 'failed_precondition');
  await assert.rejects(loadOrCreateHostKeys(directory), refused);
  chmodSync(path, 0o600);
  writeFileSync(path, 'not a key');
  await assert.rejects(loadOrCreateHostKeys(directory), refused);
  assert.equal(readFileSync(path, 'utf8'), 'not a key');
});

/** What the library makes of a key whose public half begins with a zero byte, which it leaves out. */
const shortKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMgAAAAtz
c2gtZWQyNTUxOQAAAB+LUt6JbWOhkoBW+pOU2IaueK2796/8DNnOMtczyHT4AAAA
iF6FuOFehbjhAAAAC3NzaC1lZDI1NTE5AAAAH4tS3oltY6GSgFb6k5TYhq54rbv3
r/wM2c4y1zPIdPgAAAA/IZ7FilXK+Ub1jzbzsdEWx61qgA9j32g3NbU23VobPl6L
Ut6JbWOhkoBW+pOU2IaueK2796/8DNnOMtczyHT4AAAAAAECAwQFBgc=
-----END OPENSSH PRIVATE KEY-----
`;

test('a generated key that is none is not kept', () => {
  const usable = generateUsable(() => ssh2.utils.generateKeyPairSync('ed25519'));
  const generated = [shortKey, shortKey, usable];
  assert.equal(
    generateUsable(() => ({ private: generated.shift() ?? '' })),
    usable,
  );
  assert.throws(
    () => generateUsable(() => ({ private: shortKey })),
    (thrown) => hasCode(thrown, 'internal'),
  );
});
