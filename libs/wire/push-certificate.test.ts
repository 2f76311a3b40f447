import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base';
import { certificateEnvironment, checkNonce, makeNonce, parseCertificate } from './push-certificate.ts';

const policy = { nonceSeed: 'seed', nonceSlopSeconds: 10, repository: '/srv/a.git' };
const oid = '1'.repeat(40);
const zero = '0'.repeat(40);
const text = `certificate version 0.1
pusher Ada <ada@example.org> 1700000000 +0000
pushee https://example.org/a.git
nonce 1700000000-abc
push-option one
push-option two

${zero} ${oid} refs/heads/main
${oid} ${zero} refs/heads/old
-----BEGIN PGP SIGNATURE-----

signature
-----END PGP SIGNATURE-----
`;

test('a certificate is what was signed, the signature, and the commands between', () => {
  const certificate = parseCertificate(Buffer.from(text));
  assert.deepEqual(certificate.commandLines, [
    `${zero} ${oid} refs/heads/main`,
    `${oid} ${zero} refs/heads/old`,
  ]);
  assert.deepEqual(certificate.pushOptions, ['one', 'two']);
  assert.equal(certificate.nonce, '1700000000-abc');
  assert.ok(certificate.payload.toString().endsWith('refs/heads/old\n'));
  assert.ok(certificate.signature.toString().startsWith('-----BEGIN PGP SIGNATURE-----\n'));
  assert.ok(Buffer.concat([certificate.payload, certificate.signature]).equals(certificate.bytes));
});

test('offsets are those of bytes, whatever the letters', () => {
  const { payload, commandLines } = parseCertificate(
    Buffer.from(text.replace('Ada', 'Ädä').replace('main', 'müll')),
  );
  assert.ok(payload.toString().endsWith('refs/heads/old\n'));
  assert.equal(commandLines[0], `${zero} ${oid} refs/heads/müll`);
});

test('a certificate without signature is all payload, one without commands is refused', () => {
  const unsigned = parseCertificate(Buffer.from('certificate version 0.1\n\nline'));
  assert.equal(unsigned.signature.length, 0);
  assert.deepEqual(unsigned.commandLines, ['line']);
  for (const bad of ['', 'certificate version 0.1\n', '-----BEGIN PGP SIGNATURE-----\n\n']) {
    assert.throws(
      () => parseCertificate(Buffer.from(bad)),
      (error) => hasCode(error, 'invalid_argument'),
      bad,
    );
  }
});

test('nonces are judged as git judges them', () => {
  const issued = makeNonce(policy, 'sha1', 1_000);
  assert.match(issued, /^1000-[0-9a-f]{40}$/);
  const check = (given: string | undefined, stateless = true): string => {
    const { status, slopSeconds } = checkNonce({ policy, format: 'sha1', given, issued, stateless });
    return slopSeconds === undefined ? status : `${status} ${slopSeconds}`;
  };
  assert.equal(check(issued), 'OK');
  assert.equal(check(undefined), 'MISSING');
  assert.equal(check(makeNonce(policy, 'sha1', 995)), 'OK');
  assert.equal(check(makeNonce(policy, 'sha1', 1_005)), 'OK');
  assert.equal(check(makeNonce(policy, 'sha1', 900)), 'SLOP 100');
  assert.equal(check(makeNonce(policy, 'sha1', 1_100)), 'SLOP -100');
  assert.equal(check(makeNonce(policy, 'sha1', 995), false), 'BAD');
  assert.equal(check(makeNonce({ ...policy, repository: '/srv/b.git' }, 'sha1', 995)), 'BAD');
  assert.equal(check(makeNonce({ ...policy, nonceSeed: 'other' }, 'sha1', 1_000)), 'BAD');
  for (const bad of ['', '0-', '1000', '1000-', '-1-abc', `${issued}0`, '99999999999999999999-abc']) {
    assert.equal(check(bad), 'BAD', bad);
  }
});

test('without slop, every nonce of another moment is told as such', () => {
  const question = { policy: { ...policy, nonceSlopSeconds: 0 }, format: 'sha1', stateless: true } as const;
  const issued = makeNonce(policy, 'sha1', 1_000);
  const checked = checkNonce({ ...question, issued, given: makeNonce(policy, 'sha1', 999) });
  assert.deepEqual(checked, { status: 'SLOP', nonce: issued, slopSeconds: 1 });
  assert.equal(
    certificateEnvironment(oid, { status: 'G', signer: 'Ada', key: 'k' }, checked)[
      'GIT_PUSH_CERT_NONCE_SLOP'
    ],
    '1',
  );
});
