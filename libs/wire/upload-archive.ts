import { type ByteStream, PackhorseError } from '#base';
import { conduct } from './conduct.ts';
import type { Conversation } from './conversation.ts';
import type { WireOptions } from './options.ts';
import { flushPkt, pktHeader } from './pkt-line.ts';
import { PktReader } from './pkt-reader.ts';

/** What git-upload-archive needs of a repository. */
export interface ArchiveRepository {
  /**
   * The answer of git-upload-archive to `request`, its arguments as pkt-lines and a flush: `ACK`, a
   * flush and the archive in side-band packets. Aborting `signal`, or leaving the loop, stops it.
   */
  archive(request: Uint8Array, signal: AbortSignal): ByteStream;
}

const argumentPrefix = Buffer.from('argument ');

/**
 * Answers `git archive --remote` (git-upload-archive(1)): the client sends arguments and gets the
 * archive. Rejects only with what the door has to log or with `cancelled`; everything else is told
 * to the client.
 */
export function serveUploadArchive(
  repository: ArchiveRepository,
  conversation: Conversation,
  options: WireOptions,
): Promise<void> {
  return conduct(conversation, options, async (writer) => {
    const reader = new PktReader(conversation.input);
    const request = await readArguments(reader, options.settings.maxArchiveArguments);
    if (request === undefined) return;
    for await (const chunk of repository.archive(request, conversation.signal)) {
      await writer.encoded(chunk);
      // From here on the client takes everything for packets of a side-band.
      writer.useSideband('side-band-64k');
    }
  });
}

/** The arguments, encoded as they came; undefined when the client left without a word. Throws `invalid_argument`. */
async function readArguments(reader: PktReader, maxArguments: number): Promise<Uint8Array | undefined> {
  const encoded: Uint8Array[] = [];
  for (let count = 0; ; count += 1) {
    const line = await reader.read();
    if (line === undefined && count === 0) return undefined;
    if (line?.kind === 'flush') return Buffer.concat([...encoded, flushPkt]);
    const isArgument =
      line?.kind === 'data' && line.payload.subarray(0, argumentPrefix.length).equals(argumentPrefix);
    if (!isArgument) throw new PackhorseError('invalid_argument', "'argument' token or flush expected");
    if (count >= maxArguments) {
      throw new PackhorseError('invalid_argument', `Too many options (>${maxArguments})`);
    }
    encoded.push(Buffer.from(pktHeader(line.payload.length)), line.payload);
  }
}
