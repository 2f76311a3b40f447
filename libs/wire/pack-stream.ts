import type { Oid } from '#base';
import type { Conversation } from './conversation.ts';
import { KeepAlive } from './keep-alive.ts';
import type { WireOptions } from './options.ts';
import type { PktWriter } from './pkt-writer.ts';
import type { PackRequest, UploadPackRepository } from './repository.ts';
import type { ShallowPlan } from './shallow.ts';

/** How the client wants its pack. */
export interface PackOptions {
  readonly thinPack: boolean;
  readonly ofsDelta: boolean;
  readonly includeTag: boolean;
  readonly progress: boolean;
  readonly filter: string | undefined;
  /** See `PackRequest`. */
  readonly allowMissingPromised?: boolean;
  readonly uriProtocols?: readonly string[];
}

/** Everything that decides the bytes of the pack, in one value. */
export function packRequestOf(
  wants: readonly Oid[],
  haves: readonly Oid[],
  plan: ShallowPlan,
  { thinPack, ofsDelta, includeTag, progress, filter, allowMissingPromised, uriProtocols }: PackOptions,
): PackRequest {
  const { clientShallows, newShallows, unshallows } = plan;
  const optional = {
    ...(filter === undefined ? {} : { filter }),
    ...(allowMissingPromised === true ? { allowMissingPromised } : {}),
    ...(uriProtocols === undefined || uriProtocols.length === 0 ? {} : { uriProtocols }),
  };
  const shallow = { clientShallows, newShallows, unshallows };
  return { wants, haves, ...shallow, thinPack, ofsDelta, includeTag, progress, ...optional };
}

/**
 * Passes a pack from its producer straight to the client, each part when the client has taken the
 * one before, and ends it with a flush where there are bands.
 */
export async function streamPack(
  repository: UploadPackRepository,
  request: PackRequest,
  conversation: Conversation,
  writer: PktWriter,
  options: WireOptions,
): Promise<void> {
  // Over HTTP what was said goes out with the pack: until then it can still be answered with a status.
  if (!conversation.stateless) await writer.send();
  const keepAliveMs = repository.uploadPolicy.keepAliveMs ?? options.settings.keepAliveMs;
  using silence = new KeepAlive(writer, options.clock, keepAliveMs);
  let sections = request.uriProtocols === undefined ? undefined : new UriSections(writer);
  for await (const part of repository.pack(request, conversation.signal)) {
    if (part.kind === 'packfile-uri') await sections?.uri(part.bytes);
    else if (part.kind === 'progress') await writer.progress(part.bytes);
    else {
      await sections?.packfile();
      sections = undefined;
      if (part.release === undefined) await writer.data(part.bytes);
      else if (await writer.lentData(part.bytes)) part.release();
    }
    silence.touch();
  }
  if (writer.hasSideband) await writer.flush();
}

/** The heads of the sections `packfile-uris` and `packfile`, where it is known only from the pack whether there are URIs (gitprotocol-v2, "fetch"). */
class UriSections {
  readonly #writer: PktWriter;
  #hasUris = false;

  constructor(writer: PktWriter) {
    this.#writer = writer;
  }

  async uri(bytes: Uint8Array): Promise<void> {
    if (!this.#hasUris) await this.#writer.line('packfile-uris\n');
    this.#hasUris = true;
    await this.#writer.line(`${Buffer.from(bytes).toString()}\n`);
  }

  async packfile(): Promise<void> {
    if (this.#hasUris) await this.#writer.delim();
    await this.#writer.line('packfile\n');
    await this.#writer.send();
    this.#writer.useSideband('side-band-64k');
  }
}
