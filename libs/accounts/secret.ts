import { createHash, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from '#base';

/**
 * Access tokens: `pht_`, 32 random bytes in base 62 (43 digits), and the CRC-32 of that text in base 62
 * (6 digits). The prefix lets secret scanners find a leaked one, the checksum lets them, and us, tell it
 * from a mistyped one without asking anybody.
 */
export const tokenPrefix = 'pht_';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secretBytes = 32;
const bodyDigits = 43;
const checksumDigits = 6;
const tokenPattern = /^pht_[0-9A-Za-z]{49}$/;

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = digits.charAt(Number(rest % 62n)) + text;
  return text;
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), checksumDigits);
}

export function createToken(random: Random): string {
  const body = base62(BigInt(`0x${random.bytes(secretBytes).toString('hex')}`), bodyDigits);
  return `${tokenPrefix}${body}${checksum(body)}`;
}

/** False for anything that no server of this kind can have made. */
export function isWellFormedToken(text: string): boolean {
  if (!tokenPattern.test(text)) return false;
  const body = text.slice(tokenPrefix.length, -checksumDigits);
  return text.slice(-checksumDigits) === checksum(body);
}

/** What goes into a web session's cookie. */
export function createSessionSecret(random: Random): string {
  return random.bytes(secretBytes).toString('base64url');
}

/** How random secrets are stored and looked up: they need no slow hash, having 256 bits themselves. */
export function hashSecret(secret: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(secret).digest());
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
