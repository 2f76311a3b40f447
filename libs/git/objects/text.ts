import { isUtf8 } from 'node:buffer';

const decoders = new Map<string, TextDecoder>();

/** The decoder of an encoding by the name in a commit's `encoding` header; UTF-8 for unknown names. */
function decoderOf(encoding: string): TextDecoder {
  const known = decoders.get(encoding);
  if (known !== undefined) return known;
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(encoding);
  } catch {
    return decoderOf('utf-8');
  }
  // The name comes from whoever made the commit; remembering is worth it for real encodings only.
  decoders.set(encoding, decoder);
  return decoder;
}

/** Text in `encoding` (a label as in the WHATWG Encoding standard; UTF-8 when absent), with U+FFFD for what is invalid. */
export function decodeText(bytes: Uint8Array, encoding?: string): string {
  if (encoding === undefined)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return decoderOf(encoding.toLowerCase()).decode(bytes);
}

/** True when the bytes do not survive being decoded as UTF-8 and encoded again. */
export function isLossy(bytes: Uint8Array): boolean {
  return !isUtf8(bytes);
}
