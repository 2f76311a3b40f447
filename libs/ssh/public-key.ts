import ssh2, { type PublicKeyAuthContext } from 'ssh2';
import type { Identity, PublicKey } from '#accounts';

export type KeyLookup = (key: PublicKey) => Promise<Identity | undefined>;

/**
 * What a `publickey` request (RFC 4252, 7) comes to. `known` is the answer to a mere question: the
 * client has proven nothing yet. Only `proven`, after the signature was verified, says who it is.
 */
export type KeyVerdict =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'known' }
  | { readonly kind: 'forged' }
  | { readonly kind: 'proven'; readonly identity: Identity };

export async function judgeKey(context: PublicKeyAuthContext, lookup: KeyLookup): Promise<KeyVerdict> {
  const { key, signature, blob, hashAlgo } = context;
  // The name beside the key is only a claim; SHA-1 signatures (plain `ssh-rsa`) can be forged.
  const isWeak = key.algo === 'ssh-rsa' && hashAlgo === undefined;
  if (algorithmOf(key.data) !== key.algo || isWeak) return { kind: 'unknown' };
  const identity = await lookup({ algorithm: key.algo, blob: key.data });
  if (identity === undefined) return { kind: 'unknown' };
  if (signature === undefined || blob === undefined) return { kind: 'known' };
  const parsed = ssh2.utils.parseKey(key.data);
  // The library answers with an Error object where verifying itself fails.
  const answer: unknown = parsed instanceof Error ? parsed : parsed.verify(blob, signature, hashAlgo);
  return answer === true ? { kind: 'proven', identity } : { kind: 'forged' };
}

/** The name that is part of the key itself (RFC 4253, 6.6). */
function algorithmOf(publicKey: Buffer): string | undefined {
  if (publicKey.length < 4) return undefined;
  const lengthBytes = publicKey.readUInt32BE(0);
  return publicKey.length < 4 + lengthBytes ? undefined : publicKey.toString('latin1', 4, 4 + lengthBytes);
}
