import { PackhorseError } from '#base';
import type { PackPart } from '#wire';

/** Longest line about a URI, as git reads it from its own config. */
const maxLineBytes = 64 * 1024;

/**
 * Takes the lines `HASH URI` apart that `git pack-objects --uri-protocol` writes in front of the
 * pack. Throws `internal` for a line without end.
 */
export async function* withPackfileUris(
  parts: AsyncIterable<PackPart>,
): AsyncGenerator<PackPart, void, undefined> {
  let pending: Buffer | undefined = Buffer.alloc(0);
  for await (const part of parts) {
    if (pending === undefined || part.kind !== 'data') {
      yield part;
      continue;
    }
    pending = Buffer.concat([pending, part.bytes]);
    for (let end = lineEnd(pending); end >= 0; end = lineEnd(pending)) {
      yield { kind: 'packfile-uri', bytes: pending.subarray(0, end) };
      pending = pending.subarray(end + 1);
    }
    if (pending.length >= 4 && isPack(pending)) {
      yield { kind: 'data', bytes: pending };
      pending = undefined;
    } else if (pending.length > maxLineBytes) {
      throw new PackhorseError('internal', 'A git process on the server gave a line that is too long.');
    }
  }
}

function isPack(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'PACK';
}

/** Where the line in front of the pack ends; -1 when it is not complete, or the pack begins. */
function lineEnd(bytes: Buffer): number {
  return bytes.length < 4 || isPack(bytes) ? -1 : bytes.indexOf(0x0a);
}
