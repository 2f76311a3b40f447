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
}

/** Everything that decides the bytes of the pack, in one value. */
export function packRequestOf(
  wants: readonly Oid[],
  haves: readonly Oid[],
  plan: ShallowPlan,
  { thinPack, ofsDelta, includeTag, progress, filter }: PackOptions,
): PackRequest {
  const { clientShallows, newShallows, unshallows } = plan;
  const optional = filter === undefined ? {} : { filter };
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
  await writer.send();
  using silence = new KeepAlive(writer, options.clock, options.settings.keepAliveMs);
  for await (const part of repository.pack(request, conversation.signal)) {
    if (part.kind === 'data') await writer.data(part.bytes);
    else await writer.progress(part.bytes);
    silence.touch();
  }
  if (writer.hasSideband) await writer.flush();
}
