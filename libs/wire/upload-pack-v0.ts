import { isOid, type Oid, PackhorseError } from '#base';
import { type Capabilities, parseCapabilities } from './capabilities.ts';
import type { Conversation } from './conversation.ts';
import { FetchArguments, type FetchRules } from './fetch-arguments.ts';
import { type AckMode, negotiateV0 } from './negotiate-v0.ts';
import { Negotiation } from './negotiation.ts';
import type { WireOptions } from './options.ts';
import { packRequestOf, streamPack } from './pack-stream.ts';
import { pktLineText } from './pkt-line.ts';
import type { PktReader } from './pkt-reader.ts';
import type { PktWriter } from './pkt-writer.ts';
import type { UploadPackRepository } from './repository.ts';
import { planShallow, sendShallowLines, type ShallowRequest } from './shallow.ts';
import { requireAdvertised, requireExisting } from './wants.ts';

/** An upload request of protocol 0 or 1 (gitprotocol-pack, "upload-request"). */
export interface UploadRequest {
  readonly wants: readonly Oid[];
  readonly capabilities: Capabilities;
  readonly shallow: ShallowRequest;
  readonly filter: string | undefined;
}

/** Reads wants and shallow lines up to the flush; undefined when the client wants nothing. */
export async function readUploadRequest(
  reader: PktReader,
  rules: FetchRules,
): Promise<UploadRequest | undefined> {
  const shared = new FetchArguments(rules);
  let capabilities: Capabilities | undefined;
  for (;;) {
    const line = await reader.read();
    if (line === undefined) {
      if (capabilities === undefined) return undefined;
      throw new PackhorseError('invalid_argument', 'The connection ended in the middle of a request.');
    }
    if (line.kind === 'flush') break;
    const text = line.kind === 'data' ? pktLineText(line.payload) : line.kind;
    if (text.startsWith('want ')) {
      const oidEnd = 5 + (rules.objectFormat === 'sha1' ? 40 : 64);
      const oid = text.slice(5, oidEnd);
      if (!isOid(oid, rules.objectFormat)) throw notAnObject(text);
      shared.want(oid);
      capabilities = new Map([...(capabilities ?? []), ...parseCapabilities(text.slice(oidEnd))]);
    } else if (
      text.startsWith('filter ') &&
      !(rules.policy.allowFilter && capabilities?.has('filter') === true)
    ) {
      throw new PackhorseError('invalid_argument', 'git upload-pack: filtering capability not negotiated');
    } else if (!shared.take(text)) {
      throw notAnObject(text);
    }
  }
  if (capabilities === undefined) return undefined;
  if (capabilities.has('deepen-relative')) shared.deepenRelatively();
  return { wants: shared.wants, capabilities, shallow: shared.shallowRequest(), filter: shared.filter };
}

function notAnObject(line: string): PackhorseError {
  return new PackhorseError(
    'invalid_argument',
    `git upload-pack: protocol error, expected to get object ID, not '${line}'`,
  );
}

function ackMode(capabilities: Capabilities): AckMode {
  if (capabilities.has('multi_ack_detailed')) return 'multi_ack_detailed';
  return capabilities.has('multi_ack') ? 'multi_ack' : 'single';
}

/** Serves a fetch in protocol 0 or 1, from the wants to the end of the pack. */
export async function serveUploadPackV0(
  repository: UploadPackRepository,
  conversation: Conversation,
  reader: PktReader,
  writer: PktWriter,
  options: WireOptions,
): Promise<void> {
  const { objectFormat, uploadPolicy: policy } = repository;
  const { settings } = options;
  const request = await readUploadRequest(reader, { objectFormat, policy, settings });
  if (request === undefined) return;
  const { wants, capabilities } = request;
  requireObjectFormat(capabilities, repository);

  const snapshot = await repository.refs();
  await requireExisting(repository, snapshot, wants);
  await requireAdvertised(repository, snapshot, wants, conversation.stateless);

  const { maxDepthWalkCommits } = settings;
  const plan = await planShallow(repository, snapshot, wants, request.shallow, maxDepthWalkCommits);
  if (plan.isAsked) {
    await sendShallowLines(writer, plan);
    await writer.flush();
  }

  const negotiation = new Negotiation(repository, wants, settings.maxReadyWalkCommits);
  const isAgreed = await negotiateV0(reader, writer, negotiation, {
    mode: ackMode(capabilities),
    noDone: capabilities.has('no-done') && conversation.stateless,
    stateless: conversation.stateless,
    objectFormat,
    maxHaves: settings.maxHaves,
  });
  if (!isAgreed) return;

  await writer.send();
  if (capabilities.has('side-band-64k')) writer.useSideband('side-band-64k');
  else if (capabilities.has('side-band')) writer.useSideband('side-band');
  const packRequest = packRequestOf(wants, negotiation.common, plan, {
    thinPack: capabilities.has('thin-pack'),
    ofsDelta: capabilities.has('ofs-delta'),
    includeTag: capabilities.has('include-tag'),
    progress: !capabilities.has('no-progress') && writer.hasSideband,
    filter: request.filter,
  });
  await streamPack(repository, packRequest, conversation, writer, options);
}

/** Git's own clients say nothing here, whatever the hash. */
function requireObjectFormat(capabilities: Capabilities, repository: UploadPackRepository): void {
  const client = capabilities.get('object-format') ?? repository.objectFormat;
  if (client !== repository.objectFormat) {
    throw new PackhorseError('invalid_argument', `git upload-pack: unsupported object format '${client}'`);
  }
}
