/** Bytes of a file: from `startByte` up to, not including, `endByte`. */
export interface ByteRange {
  readonly startByte: number;
  readonly endByte: number;
}

/**
 * The one range that a `Range` header asks for (RFC 9110, 14.2) of a file of `sizeBytes` bytes.
 * `whole` where there is no header, or one that may be ignored: of another unit, malformed, or with
 * several ranges. `unsatisfiable` when the file ends before it.
 */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return 'whole';
  if (first === '') {
    const suffixBytes = Math.min(Number(last), sizeBytes);
    return suffixBytes === 0 ? 'unsatisfiable' : { startByte: sizeBytes - suffixBytes, endByte: sizeBytes };
  }
  if (last !== '' && Number(last) < Number(first)) return 'whole';
  if (Number(first) >= sizeBytes) return 'unsatisfiable';
  const endByte = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return { startByte: Number(first), endByte };
}
