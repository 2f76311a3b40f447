import { type Oid, PackhorseError } from '#base';
import type { Conversation } from './conversation.ts';
import { FetchArguments, type FetchRules } from './fetch-arguments.ts';
import { hiddenRefs } from './hidden-refs.ts';
import { Negotiation } from './negotiation.ts';
import type { WireOptions } from './options.ts';
import { type PackOptions, packRequestOf, streamPack } from './pack-stream.ts';
import type { PktWriter } from './pkt-writer.ts';
import type { RefSnapshot, UploadPackRepository } from './repository.ts';
import { planShallowV2, sendShallowLines, type ShallowRequest } from './shallow.ts';
import { requireExisting } from './wants.ts';

/** A v2 `fetch` request (gitprotocol-v2, "fetch"). */
export interface FetchRequest extends PackOptions {
  readonly wants: readonly Oid[];
  /** Full names behind `want-ref`. */
  readonly wantRefs: readonly string[];
  readonly haves: readonly Oid[];
  readonly done: boolean;
  readonly waitForDone: boolean;
  readonly sidebandAll: boolean;
  readonly shallow: ShallowRequest;
  /** Schemes of `packfile-uris`; empty without `sideband-all`, which they need. */
  readonly uriProtocols: readonly string[];
}

const flagNames: ReadonlySet<string> = new Set([
  'done',
  'wait-for-done',
  'thin-pack',
  'ofs-delta',
  'include-tag',
  'no-progress',
]);

/** Parses the argument lines. Throws `invalid_argument` or, past a limit, `resource_exhausted`. */
export function parseFetch(lines: readonly string[], rules: FetchRules): FetchRequest {
  const shared = new FetchArguments(rules);
  const flags = new Set<string>();
  const wantRefs = new Set<string>();
  let uriProtocols: readonly string[] | undefined;
  for (const line of lines) {
    if (line.startsWith('want ')) shared.want(line.slice(5));
    else if (line.startsWith('have ')) shared.have(line.slice(5));
    else if (flagNames.has(line)) flags.add(line);
    else if (line === 'sideband-all' && rules.policy.allowSidebandAll === true) flags.add(line);
    else if (line === 'deepen-relative') shared.deepenRelatively();
    else if (line.startsWith('want-ref ') && rules.policy.allowRefInWant === true) {
      const name = line.slice(9);
      if (wantRefs.has(name)) throw new PackhorseError('invalid_argument', `duplicate want-ref ${name}`);
      wantRefs.add(name);
    } else if (line.startsWith('packfile-uris ') && rules.policy.allowPackfileUris === true) {
      if (uriProtocols !== undefined) {
        throw new PackhorseError('invalid_argument', 'multiple packfile-uris lines forbidden');
      }
      uriProtocols = line.slice(14).split(',');
    } else if (!shared.take(line)) throw new PackhorseError('invalid_argument', `unexpected line: '${line}'`);
  }
  return {
    wants: shared.wants,
    wantRefs: [...wantRefs],
    haves: shared.haves,
    done: flags.has('done'),
    waitForDone: flags.has('wait-for-done'),
    sidebandAll: flags.has('sideband-all'),
    thinPack: flags.has('thin-pack'),
    ofsDelta: flags.has('ofs-delta'),
    includeTag: flags.has('include-tag'),
    progress: !flags.has('no-progress'),
    shallow: shared.shallowRequest(),
    filter: shared.filter,
    uriProtocols: flags.has('sideband-all') ? (uriProtocols ?? []) : [],
  };
}

/** Answers one `fetch` command: acknowledgments, or the pack with what goes before it. */
export async function serveFetch(
  repository: UploadPackRepository,
  request: FetchRequest,
  conversation: Conversation,
  writer: PktWriter,
  options: WireOptions,
): Promise<void> {
  if (request.sidebandAll) writer.useSidebandForLines();
  const snapshot = await repository.refs();
  const wantedRefs = resolveWantRefs(repository, snapshot, request.wantRefs);
  const wants = [...new Set([...request.wants, ...wantedRefs.values()])];
  if (wants.length === 0 && !request.waitForDone) return;
  await requireExisting(repository, snapshot, wants);

  const negotiation = new Negotiation(repository, wants, options.settings.maxReadyWalkCommits);
  if (request.haves.length > 0 && !(await acknowledge(negotiation, request, writer))) return;
  if (wants.length === 0) return writer.flush();

  const { maxDepthWalkCommits } = options.settings;
  const plan = await planShallowV2(repository, snapshot, wants, request.shallow, maxDepthWalkCommits);
  if (plan.isAsked) {
    await writer.line('shallow-info\n');
    await sendShallowLines(writer, plan);
    await writer.delim();
  }
  if (wantedRefs.size > 0) {
    await writer.line('wanted-refs\n');
    for (const [name, oid] of wantedRefs) await writer.line(`${oid} ${name}\n`);
    await writer.delim();
  }
  if (request.uriProtocols.length === 0) {
    await writer.line('packfile\n');
    writer.useSideband('side-band-64k');
  }
  const packRequest = packRequestOf(wants, negotiation.common, plan, request);
  await streamPack(repository, packRequest, conversation, writer, options);
}

function resolveWantRefs(
  repository: UploadPackRepository,
  snapshot: RefSnapshot,
  names: readonly string[],
): ReadonlyMap<string, Oid> {
  const hidden = hiddenRefs(repository.uploadPolicy.hiddenRefs);
  const resolve = (name: string): readonly [string, Oid] => {
    const oid = name === 'HEAD' ? snapshot.head.oid : snapshot.get(name)?.oid;
    if (oid !== undefined && !hidden.hides(name)) return [name, oid];
    throw new PackhorseError('not_found', `unknown ref ${name}`);
  };
  return new Map(names.map(resolve));
}

/** Sends what is common; true when the pack follows in the same answer. */
async function acknowledge(
  negotiation: Negotiation,
  request: FetchRequest,
  writer: PktWriter,
): Promise<boolean> {
  const existing = await negotiation.add(request.haves);
  if (request.done) return true;
  await writer.line('acknowledgments\n');
  if (existing.size === 0) await writer.line('NAK\n');
  for (const oid of request.haves) if (existing.has(oid)) await writer.line(`ACK ${oid}\n`);
  if (!request.waitForDone && (await negotiation.isReady())) {
    await writer.line('ready\n');
    await writer.delim();
    return true;
  }
  await writer.flush();
  return false;
}
