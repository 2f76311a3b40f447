import { randomBytes } from 'node:crypto';

/** Randomness as the code sees it; simulations inject a seeded one. */
export interface Random {
  bytes(lengthBytes: number): Buffer;
}

export const systemRandom: Random = { bytes: (lengthBytes) => randomBytes(lengthBytes) };

/** An opaque identifier of 26 lower-case base-32 characters (130 bits): safe in paths, URLs and logs. */
export function randomId(random: Random = systemRandom): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return Array.from(random.bytes(26), (byte) => alphabet[byte & 31]).join('');
}
