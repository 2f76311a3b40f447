import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ObjectFormat, PackhorseError } from '#base';
import type { CertificatePolicy, SignatureCheck } from './repository.ts';

/** A signed push (gitprotocol-pack, "Push Certificate"): what was signed, and with what. */
export interface PushCertificate {
  /** All of it, as it came. */
  readonly bytes: Buffer;
  readonly payload: Buffer;
  /** Empty when there is none. */
  readonly signature: Buffer;
  /** The lines behind the header: one command each. */
  readonly commandLines: readonly string[];
  readonly pushOptions: readonly string[];
  readonly nonce: string | undefined;
}

const signatureStart = /^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----/gm;

/** Where the signature begins; the end of the text when there is none. The last beginning counts, as in git. */
function signatureOffset(text: string): number {
  let offset = text.length;
  for (const match of text.matchAll(signatureStart)) offset = match.index;
  return offset;
}

/** Takes a certificate apart. Throws `invalid_argument` when it has no commands. */
export function parseCertificate(bytes: Buffer): PushCertificate {
  // One character for each byte, so that offsets in the text are offsets in the bytes.
  const text = bytes.toString('latin1');
  const end = signatureOffset(text);
  const headerEnd = text.indexOf('\n\n');
  if (headerEnd < 0 || headerEnd > end) {
    throw new PackhorseError('invalid_argument', 'malformed push certificate');
  }
  const textOf = (from: number, to: number): string => bytes.toString('utf8', from, to);
  const header = textOf(0, headerEnd).split('\n');
  const values = (key: string): string[] =>
    header.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
  const commands = textOf(headerEnd + 2, end);
  return {
    bytes,
    payload: bytes.subarray(0, end),
    signature: bytes.subarray(end),
    commandLines: commands === '' ? [] : commands.replace(/\n$/, '').split('\n'),
    pushOptions: values('push-option'),
    nonce: values('nonce')[0],
  };
}

/** What the client is to sign, so that a certificate cannot be used again: seconds and their HMAC. */
export function makeNonce(policy: CertificatePolicy, format: ObjectFormat, seconds: number): string {
  const mac = createHmac(format, policy.nonceSeed).update(`${policy.repository}:${seconds}`);
  return `${seconds}-${mac.digest('hex')}`;
}

/** How the nonce of a certificate compares with ours (githooks, `GIT_PUSH_CERT_NONCE_STATUS`). */
export interface NonceCheck {
  readonly status: 'OK' | 'SLOP' | 'BAD' | 'MISSING';
  /** The nonce that counts as the one that was given out. */
  readonly nonce: string;
  readonly slopSeconds?: number;
}

export interface NonceQuestion {
  readonly policy: CertificatePolicy;
  readonly format: ObjectFormat;
  /** What the certificate has. */
  readonly given: string | undefined;
  /** What this conversation gave out, or would give out now. */
  readonly issued: string;
  /** True when the one who gave it out may have been another instance, some time ago. */
  readonly stateless: boolean;
}

/** Judges a nonce as git's receive-pack does. */
export function checkNonce({ policy, format, given, issued, stateless }: NonceQuestion): NonceCheck {
  if (given === undefined) return { status: 'MISSING', nonce: issued };
  if (isSame(given, issued)) return { status: 'OK', nonce: issued };
  const seconds = /^([1-9]\d{0,14})-/.exec(given)?.[1];
  if (!stateless || seconds === undefined) return { status: 'BAD', nonce: issued };
  if (!isSame(given, makeNonce(policy, format, Number(seconds)))) return { status: 'BAD', nonce: issued };
  const slopSeconds = Number.parseInt(issued, 10) - Number(seconds);
  return Math.abs(slopSeconds) <= policy.nonceSlopSeconds
    ? { status: 'OK', nonce: given }
    : { status: 'SLOP', nonce: issued, slopSeconds };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What hooks are told about a signed push (githooks, "pre-receive"; git-receive-pack, "PRE-RECEIVE HOOK"). */
export function certificateEnvironment(
  blob: string,
  check: SignatureCheck,
  nonce: NonceCheck,
): Record<string, string> {
  return {
    GIT_PUSH_CERT: blob,
    GIT_PUSH_CERT_SIGNER: check.signer,
    GIT_PUSH_CERT_KEY: check.key,
    GIT_PUSH_CERT_STATUS: check.status,
    GIT_PUSH_CERT_NONCE: nonce.nonce,
    GIT_PUSH_CERT_NONCE_STATUS: nonce.status,
    ...(nonce.slopSeconds === undefined ? {} : { GIT_PUSH_CERT_NONCE_SLOP: String(nonce.slopSeconds) }),
  };
}
