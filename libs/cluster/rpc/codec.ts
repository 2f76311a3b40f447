import { Packr } from 'msgpackr';
import { PackhorseError } from '#base';

/**
 * How values travel between nodes: MessagePack with extensions that tell objects from maps and know sets and times.
 * Neither functions nor classes ever arrive.
 */
const packr = new Packr({ useRecords: true, mapsAsObjects: false, moreTypes: true, copyBuffers: false });

export function encode(value: unknown): Buffer {
  return packr.pack(value);
}

/** Throws `invalid_argument` for what nobody encoded. */
export function decode(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new PackhorseError('invalid_argument', 'Another node sent what cannot be read.', { cause });
  }
}
