import { maxPktLineBytes } from './pkt-line.ts';

/**
 * Several streams in one (gitprotocol-pack, "Packfile Data"): band 1 carries data, band 2 text for
 * the user, band 3 the error that ends the conversation.
 */
export type Band = 1 | 2 | 3;

/** How the answer is framed: raw, or in packets of at most 1000 or 65520 bytes. */
export type SidebandMode = 'none' | 'side-band' | 'side-band-64k';

const headerBytes = 5;
/** The most bytes of a band that one packet carries. */
export const sidebandPayloadBytes = {
  'side-band': 1_000 - headerBytes,
  'side-band-64k': maxPktLineBytes - headerBytes,
} as const;

function header(band: Band, payloadBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  bytes.write((payloadBytes + headerBytes).toString(16).padStart(4, '0'), 0, 'latin1');
  bytes[4] = band;
  return bytes;
}

/** A packet without payload, which says nothing but that the server is still there. */
export const keepAlivePkt: Uint8Array = header(1, 0);

/** `bytes` as packets of `band`, for one gathered write: headers and views, no copy. */
export function sidebandPackets(
  band: Band,
  bytes: Uint8Array,
  mode: Exclude<SidebandMode, 'none'>,
): Uint8Array[] {
  const limitBytes = sidebandPayloadBytes[mode];
  const packets: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; offset += limitBytes) {
    const payload = bytes.subarray(offset, offset + limitBytes);
    packets.push(header(band, payload.length), payload);
  }
  return packets;
}
