/** The hash that names objects in a repository (gitformat-hash, "object format"). */
export type ObjectFormat = 'sha1' | 'sha256';

/** An object id in lower-case hexadecimal: 40 characters for SHA-1, 64 for SHA-256. */
export type Oid = string;

const hexLength = { sha1: 40, sha256: 64 } as const;
const patterns = { sha1: /^[0-9a-f]{40}$/, sha256: /^[0-9a-f]{64}$/ } as const;

/** How many hexadecimal digits an id of `format` has. */
export function oidLength(format: ObjectFormat): number {
  return hexLength[format];
}

export function isOid(text: string, format: ObjectFormat): boolean {
  return patterns[format].test(text);
}

/** The id that stands for "no object": the old value of a creation, the new one of a deletion. */
export function zeroOid(format: ObjectFormat): Oid {
  return '0'.repeat(hexLength[format]);
}

export function isZeroOid(oid: Oid): boolean {
  return /^0+$/.test(oid);
}
