import assert from 'node:assert/strict';
import { test } from 'node:test';
import ssh2, { type ParsedKey, type PublicKeyAuthContext } from 'ssh2';
import { anonymous } from '#accounts';
import { judgeKey } from './public-key.ts';
import { generateUsable } from './host-keys.ts';

const message = Buffer.from('what the client signs');

function make(generate: () => { readonly private: string }): ParsedKey {
  const key = ssh2.utils.parseKey(generateUsable(generate));
  assert.ok(!(key instanceof Error));
  return key;
}

const ed25519 = make(() => ssh2.utils.generateKeyPairSync('ed25519'));
const ecdsa = make(() => ssh2.utils.generateKeyPairSync('ecdsa', { bits: 384 }));
const rsa = make(() => ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }));

type Attempt = Pick<PublicKeyAuthContext, 'key' | 'signature' | 'blob' | 'hashAlgo'>;

const judge = (attempt: Attempt) =>
  judgeKey(attempt as PublicKeyAuthContext, async ({ blob }) =>
    [ed25519, ecdsa, rsa].some((key) => key.getPublicSSH().equals(blob)) ? anonymous : undefined,
  );

for (const [name, key, hash] of [
  ['ed25519', ed25519, undefined],
  ['ECDSA', ecdsa, undefined],
  ['RSA with SHA-256', rsa, 'sha256'],
  ['RSA with SHA-512', rsa, 'sha512'],
] as const) {
  const offered = {
    key: { algo: key.type, data: key.getPublicSSH() },
    ...(hash !== undefined && { hashAlgo: hash }),
  };

  test(`an ${name} key proves who it is by a signature, and by nothing less`, async () => {
    assert.deepEqual(await judge(offered), { kind: 'known' });
    const signature = key.sign(message, hash);
    assert.deepEqual(await judge({ ...offered, blob: message, signature }), {
      kind: 'proven',
      identity: anonymous,
    });
    const other = Buffer.from('something else');
    assert.deepEqual(await judge({ ...offered, blob: other, signature }), { kind: 'forged' });
    const noise = Buffer.alloc(signature.length);
    assert.deepEqual(await judge({ ...offered, blob: message, signature: noise }), { kind: 'forged' });
  });
}

test("somebody else's signature proves nothing", async () => {
  const stranger = make(() => ssh2.utils.generateKeyPairSync('ed25519'));
  const attempt = {
    key: { algo: ed25519.type, data: ed25519.getPublicSSH() },
    blob: message,
    signature: stranger.sign(message),
  };
  assert.deepEqual(await judge(attempt), { kind: 'forged' });
});

test('a key whose name is not its own, whose signatures are SHA-1, or that is none, is unknown', async () => {
  const unknown = { kind: 'unknown' };
  assert.deepEqual(await judge({ key: { algo: 'ssh-rsa', data: ed25519.getPublicSSH() } }), unknown);
  assert.deepEqual(await judge({ key: { algo: 'ssh-rsa', data: rsa.getPublicSSH() } }), unknown);
  for (const data of [Buffer.alloc(0), Buffer.from([0, 0, 0, 200, 1]), Buffer.alloc(100)]) {
    assert.deepEqual(await judge({ key: { algo: 'ssh-ed25519', data } }), unknown);
  }
});
