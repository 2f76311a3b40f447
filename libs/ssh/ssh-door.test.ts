import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { anonymous } from '#accounts';
import { SeededRandom } from '#test/generated-bytes';
import { run } from '#test/processes';
import { newSshKey } from '#test/ssh';
import { SshDoor } from '#test/ssh-door';

const fetch = "git-upload-pack '/ada/engine.git'";

test('a command of git gets the refs and then the dialogue', async () => {
  await using door = await SshDoor.open();
  const { code, text, stderr } = await door.ssh([fetch], { input: 'wants' });
  assert.equal(text, 'refs of version 0echo:wants');
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const [request] = door.git.requests;
  assert.equal(request?.identity.kind === 'user' && request.identity.login, 'ada');
  assert.deepEqual(
    { ...request, identity: undefined },
    {
      identity: undefined,
      path: 'ada/engine.git',
      service: 'upload-pack',
      transport: 'ssh',
      remoteAddress: '127.0.0.1',
    },
  );
  assert.equal(door.git.openSessions, 0);
  const entry = door.logged.find(({ message }) => message === 'ssh command');
  assert.equal(entry?.['bytesIn'], 5);
});

test('the protocol version is taken from GIT_PROTOCOL, and no other variable is accepted', async () => {
  await using door = await SshDoor.open();
  const flags = ['-o', 'SendEnv=GIT_PROTOCOL', '-o', 'SendEnv=LD_PRELOAD'];
  const env = { ...process.env, GIT_PROTOCOL: 'version=2', LD_PRELOAD: '' };
  assert.match((await door.ssh([fetch], { flags, env })).text, /^refs of version 2/);
});

for (const type of ['ed25519', 'rsa', 'ecdsa'] as const) {
  test(`a key of type ${type} is let in`, async () => {
    await using door = await SshDoor.open();
    const key = await newSshKey(type);
    door.allow(key);
    assert.equal((await door.ssh([fetch], { key })).code, 0);
    assert.match(door.asked.at(-1)?.algorithm ?? '', new RegExp(type === 'ecdsa' ? 'ecdsa-sha2-' : type));
  });
}

test('RSA keys are let in by SHA-2 signatures only', async () => {
  await using door = await SshDoor.open();
  const key = await newSshKey('rsa');
  door.allow(key);
  const using = (algorithm: string) =>
    door.ssh([fetch], { key, flags: ['-o', `PubkeyAcceptedAlgorithms=${algorithm}`] });
  assert.equal((await using('rsa-sha2-256')).code, 0);
  assert.equal((await using('ssh-rsa')).code, 255);
});

test('a key without a user behind it may be let in by whoever configured it', async () => {
  await using door = await SshDoor.open();
  door.allow(door.key, anonymous);
  assert.equal((await door.ssh([fetch])).code, 0);
  assert.deepEqual(door.git.requests[0]?.identity, anonymous);
  assert.match((await door.ssh([])).stderr, /Hi there!/);
});

test('an unknown key is denied without further ado, but logged', async () => {
  await using door = await SshDoor.open();
  const key = await newSshKey();
  const { code, stderr } = await door.ssh([fetch], { key });
  assert.equal(code, 255);
  assert.match(stderr, /Permission denied \(publickey\)\.\s*$/);
  assert.equal(door.git.requests.length, 0);
  const refusal = door.logged.find(({ message }) => message === 'ssh login refused');
  assert.equal(refusal?.['reason'], 'unknown key');
  assert.match(String(refusal?.['key']), /^SHA256:/);
});

test('passwords are not asked for', async () => {
  await using door = await SshDoor.open();
  for (const method of ['password', 'keyboard-interactive', 'none']) {
    const flags = ['-o', `PreferredAuthentications=${method}`];
    assert.match((await door.ssh([fetch], { flags })).stderr, /Permission denied \(publickey\)/);
  }
});

test('a visitor without a command is greeted by name', async () => {
  await using door = await SshDoor.open();
  const { code, stderr } = await door.ssh([], { flags: ['-T'] });
  assert.match(stderr, /Hi ada! You've successfully authenticated, but Packhorse does not provide shell/);
  assert.equal(code, 1);
  // script(1) gives it the terminal of a person at a desk.
  const atDesk = ['-qec', ['ssh', ...(await door.arguments())].join(' '), '/dev/null'];
  assert.match((await run('script', atDesk)).stdout.toString(), /PTY allocation request failed[^]*Hi ada!/);
});

test('everything but git is refused in words', async () => {
  await using door = await SshDoor.open();
  for (const command of ['ls -l /', 'scp -t /tmp', "git-shell -c 'git-upload-pack x'", 'git-upload-pack']) {
    const { code, text, stderr } = await door.ssh([command]);
    assert.equal(code, 128, command);
    assert.equal(text, '');
    assert.match(stderr, /^packhorse: .*\.\n$/, command);
  }
  const sftp = await door.ssh(['sftp'], { flags: ['-s'] });
  assert.match(sftp.stderr, /subsystem request failed/);
  const forward = await door.ssh([], { flags: ['-W', '127.0.0.1:1'] });
  assert.match(forward.stderr, /administratively prohibited/);
  const remote = await door.ssh([fetch], {
    flags: ['-R', '0:127.0.0.1:1', '-o', 'ExitOnForwardFailure=yes'],
  });
  assert.match(remote.stderr, /remote port forwarding failed/);
  assert.equal(door.git.requests.length, 0);
});

test('errors are one line on standard error', async () => {
  await using door = await SshDoor.open();
  for (const [name, message] of [
    ['missing', 'packhorse: There is no repository here.\n'],
    ['readonly', 'packhorse: You may not push to this repository.\n'],
    ['busy', 'packhorse: The server is busy.\n'],
    ['broken', 'packhorse: Something went wrong on the server.\n'],
  ] as const) {
    const { code, text, stderr } = await door.ssh([`git-receive-pack '/ada/${name}.git'`]);
    assert.equal(stderr, message);
    assert.equal(text, '');
    assert.equal(code, 128);
  }
  assert.ok(door.logged.some(({ message }) => message === 'an ssh command failed'));
});

test('what is written before a failure still arrives', async () => {
  await using door = await SshDoor.open();
  door.git.serve = async ({ output }) => {
    await output.write(Buffer.from(' and half'));
    throw new Error('disk on fire');
  };
  const { code, text, stderr } = await door.ssh([fetch]);
  assert.equal(text, 'refs of version 0 and half');
  assert.equal(stderr, 'packhorse: Something went wrong on the server.\n');
  assert.equal(code, 128);
});

const cipherChoices = ['chacha20-poly1305@openssh.com', 'aes128-gcm@openssh.com', 'aes128-ctr'];

for (const cipher of cipherChoices) {
  test(`many bytes go both ways unharmed with ${cipher}, also while keys are exchanged anew`, async () => {
    await using door = await SshDoor.open();
    door.git.advertise = async () => undefined;
    door.git.serve = async ({ input, output }) => {
      // Small and large writes in turn, so that they fall across packets.
      for await (const chunk of input) {
        await output.write(chunk.subarray(0, 5), chunk.subarray(5, 6));
        if (chunk.length > 6) await output.write(chunk.subarray(6));
      }
    };
    const sent = new SeededRandom(cipher).bytes(24 * 1024 * 1024);
    const flags = ['-c', cipher, '-o', 'RekeyLimit=2M'];
    const { code, stdout, stderr } = await door.ssh([fetch], { input: sent, flags });
    assert.equal(code, 0, stderr);
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(stdout), hash(sent));
  });
}
