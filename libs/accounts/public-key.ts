import { createHash, createPublicKey } from 'node:crypto';
import { PackhorseError } from '#base';
import type { PublicKey } from './services.ts';

/** A key as it is stored. */
export interface ParsedKey extends PublicKey {
  /** SHA-256 of the blob. */
  readonly fingerprint: Uint8Array<ArrayBuffer>;
  /** What follows the key on its line; often `user@machine`. */
  readonly comment: string;
}

const minRsaBits = 2048;
const maxRsaBits = 16_384;
const maxLineLength = 16_384;

function invalid(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}

/** Splits a blob into its length-prefixed strings (RFC 4251, section 5); undefined when it does not add up. */
function readStrings(blob: Buffer): readonly Buffer[] | undefined {
  const strings: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (blob.length - at < 4) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    strings.push(blob.subarray(at + 4, end));
    at = end;
  }
  return strings;
}

function bitLength(integer: Buffer): number {
  const hex = integer.toString('hex').replace(/^0+/, '');
  return hex === '' ? 0 : (hex.length - 1) * 4 + Number.parseInt(hex.charAt(0), 16).toString(2).length;
}

/** mpint (RFC 4251, section 5): positive and without needless leading zeros. */
function isPositiveInteger(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if (first === undefined || first >= 0x80) return false;
  return first !== 0 || (second !== undefined && second >= 0x80);
}

function checkRsa([exponent, modulus, ...rest]: readonly Buffer[]): void {
  if (exponent === undefined || modulus === undefined || rest.length > 0) throw malformed();
  if (!isPositiveInteger(exponent) || !isPositiveInteger(modulus)) throw malformed();
  const bits = bitLength(modulus);
  if (bits < minRsaBits) {
    throw invalid(`RSA keys need at least ${minRsaBits} bits. Make a new one: ssh-keygen -t ed25519`);
  }
  // An even modulus or exponent is no RSA key; a giant one only costs time to verify.
  const isOdd = ((modulus.at(-1) ?? 0) & (exponent.at(-1) ?? 0) & 1) === 1;
  const exponentBits = bitLength(exponent);
  if (bits > maxRsaBits || !isOdd || exponentBits < 2 || exponentBits > 64) throw malformed();
}

function malformed(): PackhorseError {
  return invalid('That is not a valid SSH public key. Give the whole line of the .pub file.');
}

/** SEC 1 uncompressed point on one of the curves of RFC 5656; OpenSSL checks that it lies on it. */
function checkEcdsa(curve: string, point: Buffer | undefined): void {
  const [jwkCurve, coordinateBytes] = curves[curve] ?? [];
  if (jwkCurve === undefined || coordinateBytes === undefined || point === undefined) throw malformed();
  if (point.length !== 1 + 2 * coordinateBytes || point[0] !== 4) throw malformed();
  const [x, y] = [point.subarray(1, 1 + coordinateBytes), point.subarray(1 + coordinateBytes)];
  const key = { kty: 'EC', crv: jwkCurve, x: x.toString('base64url'), y: y.toString('base64url') };
  try {
    createPublicKey({ format: 'jwk', key });
  } catch (error) {
    throw new PackhorseError('invalid_argument', malformed().message, { cause: error });
  }
}

const curves: Readonly<Record<string, readonly [string, number]>> = {
  nistp256: ['P-256', 32],
  nistp384: ['P-384', 48],
  nistp521: ['P-521', 66],
};

/** Checks the fields after the algorithm's name. */
function checkFields(algorithm: string, fields: readonly Buffer[]): void {
  const [first, second] = fields;
  if (algorithm === 'ssh-rsa') return checkRsa(fields);
  if (algorithm === 'ssh-ed25519') {
    if (fields.length !== 1 || first?.length !== 32) throw malformed();
    return;
  }
  const curve = algorithm.slice('ecdsa-sha2-'.length);
  if (fields.length !== 2 || first?.toString('latin1') !== curve) throw malformed();
  checkEcdsa(curve, second);
}

const accepted: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
]);

function requireAccepted(algorithm: string): void {
  if (accepted.has(algorithm)) return;
  if (algorithm === 'ssh-dss') {
    throw invalid('DSA keys are too weak. Make a new one: ssh-keygen -t ed25519');
  }
  if (algorithm.startsWith('sk-')) {
    throw invalid('Keys on a security key are not supported. Make another one: ssh-keygen -t ed25519');
  }
  if (algorithm.includes('-cert-')) throw invalid('That is a certificate. Give the public key itself.');
  throw malformed();
}

/** SHA-256 of the key in wire format. */
export function keyFingerprint(blob: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(blob).digest());
}

/** As `ssh-keygen -l` prints it. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return `SHA256:${Buffer.from(fingerprint).toString('base64').replace(/=+$/, '')}`;
}

/**
 * One line of an authorized_keys or .pub file (sshd(8), AUTHORIZED_KEYS FILE FORMAT), without
 * options. Throws `invalid_argument` with a sentence that says what is wrong and what to do.
 */
export function parsePublicKey(text: string): ParsedKey {
  const line = text.trim();
  if (/PRIVATE KEY/.test(line)) {
    throw invalid('That is a private key. Never give it to anybody; give the .pub file beside it.');
  }
  if (line.length > maxLineLength) throw malformed();
  if (/[\r\n]/.test(line)) throw invalid('Give one key at a time, as the one line of its .pub file.');
  const [algorithm = '', encoded = '', ...comment] = line.split(/[ \t]+/);
  requireAccepted(algorithm);
  const blob = Buffer.from(encoded, 'base64');
  // Node skips what is not base64, so compare with the only right way to write these bytes.
  if (encoded === '' || blob.toString('base64').replace(/=+$/, '') !== encoded.replace(/=+$/, ''))
    throw malformed();
  const [name, ...fields] = readStrings(blob) ?? [];
  if (name?.toString('latin1') !== algorithm) throw malformed();
  checkFields(algorithm, fields);
  return { algorithm, blob, fingerprint: keyFingerprint(blob), comment: comment.join(' ') };
}
