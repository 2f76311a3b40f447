import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as fc from 'fast-check';
import { hasCode } from '#base';
import { fuzzRuns } from '#test/fuzz';
import { run, runChecked } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import { formatFingerprint, parsePublicKey } from './public-key.ts';

const directory = temporaryDirectory('keys');

/** A fresh key made by ssh-keygen: the line of its .pub file, and the fingerprint that ssh-keygen prints. */
async function generate(name: string, ...options: readonly string[]) {
  const file = join(directory, name);
  await runChecked('ssh-keygen', ['-q', '-N', '', '-C', `me@${name}`, '-f', file, ...options]);
  const listed = await runChecked('ssh-keygen', ['-l', '-f', `${file}.pub`]);
  return { line: readFileSync(`${file}.pub`, 'utf8'), fingerprint: listed.split(' ')[1] };
}

/** The line of a key whose blob consists of these strings (RFC 4251, 5). */
function keyLine(algorithm: string, ...fields: readonly Uint8Array[]): string {
  const strings = [Buffer.from(algorithm), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return `${algorithm} ${Buffer.concat(strings).toString('base64')}`;
}

function refuses(line: string, sentence: RegExp): void {
  assert.throws(
    () => parsePublicKey(line),
    (error: unknown) => {
      assert.ok(hasCode(error, 'invalid_argument'), String(error));
      assert.match(error.message, sentence);
      return true;
    },
    line.slice(0, 60),
  );
}

let ed25519: string;
before(async () => {
  ed25519 = (await generate('base', '-t', 'ed25519')).line.trim();
});

for (const [algorithm, ...options] of [
  ['ssh-ed25519', '-t', 'ed25519'],
  ['ssh-rsa', '-t', 'rsa', '-b', '2048'],
  ['ssh-rsa', '-t', 'rsa', '-b', '4096'],
  ['ecdsa-sha2-nistp256', '-t', 'ecdsa', '-b', '256'],
  ['ecdsa-sha2-nistp384', '-t', 'ecdsa', '-b', '384'],
  ['ecdsa-sha2-nistp521', '-t', 'ecdsa', '-b', '521'],
] as const) {
  test(`a key made with ssh-keygen ${options.join(' ')} is accepted, with the same fingerprint`, async () => {
    const name = options.join('');
    const { line, fingerprint } = await generate(name, ...options);
    const key = parsePublicKey(line);
    assert.equal(key.algorithm, algorithm);
    assert.equal(formatFingerprint(key.fingerprint), fingerprint);
    assert.equal(key.comment, `me@${name}`);
    assert.equal(`${algorithm} ${Buffer.from(key.blob).toString('base64')} me@${name}`, line.trim());
  });
}

test('weak keys are refused with what to do instead', async (context) => {
  refuses((await generate('rsa1024', '-t', 'rsa', '-b', '1024')).line, /at least 2048 bits/);
  refuses(keyLine('ssh-dss', Buffer.alloc(1)), /DSA keys are too weak/);
  const dsa = await run('ssh-keygen', ['-q', '-t', 'dsa', '-N', '', '-f', join(directory, 'dsa')]);
  if (dsa.code !== 0) return context.diagnostic('this ssh-keygen makes no DSA keys any more');
  refuses(readFileSync(join(directory, 'dsa.pub'), 'utf8'), /DSA keys are too weak/);
});

test('what is pasted by mistake gets a sentence that says so', () => {
  refuses(readFileSync(join(directory, 'base'), 'utf8'), /private key/);
  refuses(`${ed25519}\n${ed25519}`, /one key at a time/i);
  refuses(ed25519.replace('ssh-ed25519', 'sk-ssh-ed25519@openssh.com'), /security key/);
  refuses(ed25519.replace('ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com'), /certificate/);
  for (const line of ['', 'hello', 'ssh-ed25519', `no-pty ${ed25519}`, 'x'.repeat(100_000)]) {
    refuses(line, /not a valid SSH public key/);
  }
});

test('a key is refused whose name, inside or outside, is that of another algorithm', () => {
  const [, blob = ''] = ed25519.split(' ');
  refuses(`ssh-rsa ${blob}`, /not a valid/);
  refuses(keyLine('ecdsa-sha2-nistp256', Buffer.from('nistp384'), Buffer.alloc(65, 4)), /not a valid/);
});

test('keys that are none in their algorithm are refused', () => {
  const even = Buffer.alloc(257, 2);
  even[0] = 0;
  even[1] = 0xff;
  const odd = Buffer.from(even);
  odd[256] = 3;
  const exponent = Uint8Array.of(1, 0, 1);
  assert.equal(parsePublicKey(keyLine('ssh-rsa', exponent, odd)).algorithm, 'ssh-rsa');
  for (const line of [
    keyLine('ssh-ed25519', Buffer.alloc(31)),
    keyLine('ssh-ed25519', Buffer.alloc(33)),
    keyLine('ssh-ed25519', Buffer.alloc(32), Buffer.alloc(1)),
    keyLine('ssh-ed25519'),
    keyLine('ssh-rsa', exponent),
    keyLine('ssh-rsa', exponent, even),
    keyLine('ssh-rsa', Uint8Array.of(1), odd),
    keyLine('ssh-rsa', Uint8Array.of(0, 1, 0, 1), odd),
    keyLine('ssh-rsa', Buffer.alloc(0), odd),
    keyLine('ssh-rsa', exponent, odd.subarray(1)),
    keyLine('ssh-rsa', exponent, odd, odd),
    keyLine('ecdsa-sha2-nistp256', Buffer.from('nistp256')),
    // Compressed, and not on the curve.
    keyLine('ecdsa-sha2-nistp256', Buffer.from('nistp256'), Buffer.alloc(33, 2)),
    keyLine('ecdsa-sha2-nistp256', Buffer.from('nistp256'), Buffer.alloc(65, 4)),
  ]) {
    refuses(line, /not a valid SSH public key/);
  }
});

test('a key with anything missing or added is refused', () => {
  const [name = '', encoded = ''] = ed25519.split(' ');
  const blob = Buffer.from(encoded, 'base64');
  for (let length = 0; length < blob.length; length += 1) {
    refuses(`${name} ${blob.subarray(0, length).toString('base64')}`, /not a valid/);
  }
  refuses(`${name} ${Buffer.concat([blob, Buffer.alloc(1)]).toString('base64')}`, /not a valid/);
  refuses(`${name} ${encoded.slice(0, 20)}!${encoded.slice(20)}`, /not a valid/);
});

test('no text makes the parser fail in another way', () => {
  const words = fc.constantFrom(
    'ssh-rsa',
    'ssh-ed25519',
    'ecdsa-sha2-nistp521',
    'ssh-dss',
    ' ',
    'AAAA',
    '\n',
    '\0',
  );
  const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array).toString('base64'));
  const text = fc.array(fc.oneof(words, bytes, fc.string({ unit: 'binary', maxLength: 20 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(text, (parts) => {
      try {
        parsePublicKey(parts.join(' '));
      } catch (error) {
        assert.ok(hasCode(error, 'invalid_argument'), String(error));
      }
    }),
    fuzzRuns(2000),
  );
});
