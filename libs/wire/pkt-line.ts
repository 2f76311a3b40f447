import { PackhorseError } from '#base';

/**
 * The framing of everything in the Git protocol (gitprotocol-common, "pkt-line Format"): four
 * hexadecimal digits with the length of the whole line, then the payload. Nothing here does I/O.
 */

/** The longest line, header included. */
export const maxPktLineBytes = 65_520;
/** The longest payload of one line. */
export const maxPktPayloadBytes = maxPktLineBytes - 4;

/** A line with a payload (which may be empty), or one of the special lines `0000`, `0001`, `0002`. */
export type PktLine =
  | { readonly kind: 'data'; readonly payload: Buffer }
  | { readonly kind: 'flush' }
  | { readonly kind: 'delim' }
  | { readonly kind: 'response-end' };

/** What a decoder made of the bytes so far. */
export type Decoded =
  | { readonly status: 'complete'; readonly line: PktLine; readonly consumedBytes: number }
  | { readonly status: 'incomplete'; readonly missingBytes: number };

export const flushPkt: Uint8Array = Buffer.from('0000');
export const delimPkt: Uint8Array = Buffer.from('0001');

const special: readonly PktLine[] = [{ kind: 'flush' }, { kind: 'delim' }, { kind: 'response-end' }];

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57;
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37;
  return -1;
}

function badLength(bytes: Buffer): PackhorseError {
  return new PackhorseError('invalid_argument', 'protocol error: bad line length', {
    metadata: { header: bytes.toString('latin1', 0, 4) },
  });
}

/**
 * The first line of `bytes`, or how many bytes are missing at least before there can be one.
 * The payload is a view into `bytes`. Throws `invalid_argument` for a length that no line can have.
 */
export function decodePktLine(bytes: Buffer): Decoded {
  let lengthBytes = 0;
  for (let index = 0; index < Math.min(4, bytes.length); index += 1) {
    const digit = hexDigit(bytes[index]);
    if (digit < 0) throw badLength(bytes);
    lengthBytes = lengthBytes * 16 + digit;
  }
  if (bytes.length < 4) return { status: 'incomplete', missingBytes: 4 - bytes.length };
  const marker = special[lengthBytes];
  if (marker !== undefined) return { status: 'complete', line: marker, consumedBytes: 4 };
  if (lengthBytes < 4 || lengthBytes > maxPktLineBytes) throw badLength(bytes);
  if (bytes.length < lengthBytes) return { status: 'incomplete', missingBytes: lengthBytes - bytes.length };
  return {
    status: 'complete',
    line: { kind: 'data', payload: bytes.subarray(4, lengthBytes) },
    consumedBytes: lengthBytes,
  };
}

function lengthDigits(lengthBytes: number): string {
  return lengthBytes.toString(16).padStart(4, '0');
}

/** Of the lengths that nearly all lines have: lines come by the hundred thousand. */
const commonLengthDigits = Array.from({ length: 256 }, (_, lengthBytes) => lengthDigits(lengthBytes));

/** The four digits in front of a payload of `payloadBytes`. Throws `internal` when it does not fit in one line. */
export function pktHeader(payloadBytes: number): string {
  if (payloadBytes > maxPktPayloadBytes) {
    throw new PackhorseError('internal', 'A message does not fit into one pkt-line.', {
      metadata: { payloadBytes },
    });
  }
  return commonLengthDigits[payloadBytes + 4] ?? lengthDigits(payloadBytes + 4);
}

/** `text`, in UTF-8, as one line, still as text: for answers that are put together from many lines. */
export function pktText(text: string): string {
  return pktHeader(Buffer.byteLength(text)) + text;
}

/** `text`, in UTF-8, as one line. A line feed at its end is the caller's business. */
export function encodePktLine(text: string): Buffer {
  return Buffer.from(pktText(text));
}

/** The text of a line without the line feed that may end it. */
export function pktLineText(payload: Buffer): string {
  const end = payload.at(-1) === 0x0a ? payload.length - 1 : payload.length;
  return payload.toString('utf8', 0, end);
}
