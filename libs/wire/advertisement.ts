import { type ObjectFormat, type Oid, zeroOid } from '#base';
import {
  protocolV2Capabilities,
  receivePackCapabilities,
  type ReceivePackCapabilityInput,
  uploadPackCapabilities,
} from './capabilities.ts';
import { hiddenRefs, visibleRefs } from './hidden-refs.ts';
import type { WireOptions } from './options.ts';
import { flushPkt, pktText } from './pkt-line.ts';
import type { Ref, RefSnapshot, UploadPackPolicy } from './repository.ts';

/**
 * What a client reads first (gitprotocol-pack, "Reference Discovery"; gitprotocol-v2, "Capability
 * Advertisement"). The lines of a snapshot are encoded once and remembered with it.
 */

interface Line {
  readonly oid: Oid;
  readonly name: string;
}

/** The first line, which carries the capabilities, and the bytes of all others. */
interface EncodedRefs {
  readonly first: Line | undefined;
  readonly others: Buffer;
}

const encoded = new WeakMap<RefSnapshot, Map<string, EncodedRefs>>();

function remembered(snapshot: RefSnapshot, key: string, lines: () => Iterable<Line>): EncodedRefs {
  let byKey = encoded.get(snapshot);
  if (byKey === undefined) encoded.set(snapshot, (byKey = new Map()));
  let refs = byKey.get(key);
  if (refs === undefined) byKey.set(key, (refs = encodeLines(lines())));
  return refs;
}

function encodeLines(lines: Iterable<Line>): EncodedRefs {
  let first: Line | undefined;
  let text = '';
  for (const line of lines) {
    if (first === undefined) first = line;
    else text += pktText(`${line.oid} ${line.name}\n`);
  }
  return { first, others: Buffer.from(text) };
}

function* withPeeled(refs: Iterable<Ref>): Generator<Line> {
  for (const { oid, name, peeled } of refs) {
    yield { oid, name };
    if (peeled !== undefined) yield { oid: peeled, name: `${name}^{}` };
  }
}

function* uploadPackLines(snapshot: RefSnapshot, policy: UploadPackPolicy): Generator<Line> {
  const hidden = hiddenRefs(policy.hiddenRefs);
  const { oid } = snapshot.head;
  if (oid !== undefined && !hidden.hides('HEAD'))
    yield* withPeeled([{ ...snapshot.head, oid, name: 'HEAD' }]);
  yield* withPeeled(visibleRefs(snapshot, hidden));
}

/** A version line where asked for, the first ref with capabilities, the others, shallow lines, flush. */
function frame(
  { first, others }: EncodedRefs,
  capabilities: string,
  objectFormat: ObjectFormat,
  version: 0 | 1,
  shallows: Iterable<Oid>,
): readonly Uint8Array[] {
  const { oid, name } = first ?? { oid: zeroOid(objectFormat), name: 'capabilities^{}' };
  const head = (version === 1 ? pktText('version 1\n') : '') + pktText(`${oid} ${name}\0${capabilities}\n`);
  const tail = Array.from(shallows, (shallow) => pktText(`shallow ${shallow}\n`)).join('');
  return [Buffer.from(head), others, Buffer.from(tail), flushPkt].filter((part) => part.length > 0);
}

export interface UploadPackAdvertisement {
  readonly snapshot: RefSnapshot;
  readonly policy: UploadPackPolicy;
  readonly objectFormat: ObjectFormat;
  readonly agent: string;
  readonly sessionId: string;
  readonly version: 0 | 1;
  readonly stateless: boolean;
  readonly shallows: Iterable<Oid>;
}

/** The refs for a fetch in version 0 or 1, as chunks for one gathered write. */
export function uploadPackAdvertisement(input: UploadPackAdvertisement): readonly Uint8Array[] {
  const { snapshot, policy, objectFormat, version } = input;
  const refs = remembered(snapshot, `upload-pack\n${policy.hiddenRefs.join('\n')}`, () =>
    uploadPackLines(snapshot, policy),
  );
  // A hidden HEAD still says what it names, as in Git.
  const headTarget = snapshot.head.oid === undefined ? undefined : snapshot.head.symref;
  return frame(refs, uploadPackCapabilities({ ...input, headTarget }), objectFormat, version, input.shallows);
}

interface EncodedCapabilities {
  readonly objectFormat: ObjectFormat;
  readonly agent: string;
  readonly bytes: Uint8Array;
}

const capabilitiesByPolicy = new WeakMap<UploadPackPolicy, EncodedCapabilities>();

/** The capabilities of version 2; they depend on no ref, and are encoded once for each policy. */
export function protocolV2Advertisement(
  policy: UploadPackPolicy,
  objectFormat: ObjectFormat,
  options: Pick<WireOptions, 'agent' | 'sessionId'>,
): Uint8Array {
  const { agent } = options;
  const known = capabilitiesByPolicy.get(policy);
  if (known?.objectFormat === objectFormat && known.agent === agent) return known.bytes;
  const namesSession = policy.advertiseSessionId === true;
  const sessionId = namesSession ? options.sessionId : '';
  const capabilities = protocolV2Capabilities(policy, objectFormat, agent, sessionId);
  const lines = capabilities.map((line) => pktText(`${line}\n`));
  const bytes = Buffer.from(`${pktText('version 2\n')}${lines.join('')}0000`);
  if (!namesSession) capabilitiesByPolicy.set(policy, { objectFormat, agent, bytes });
  return bytes;
}

export interface ReceivePackAdvertisement extends ReceivePackCapabilityInput {
  readonly snapshot: RefSnapshot;
  readonly version: 0 | 1;
  readonly shallows: Iterable<Oid>;
  /** Tips of repositories that objects are borrowed from, shown as `.have`. */
  readonly alternateTips: readonly Oid[];
}

function haveLines(input: ReceivePackAdvertisement, refs: readonly Ref[]): readonly Line[] {
  if (input.alternateTips.length === 0) return [];
  const seen = new Set(refs.map((ref) => ref.oid));
  return [...new Set(input.alternateTips)]
    .filter((oid) => !seen.has(oid))
    .map((oid) => ({ oid, name: '.have' }));
}

/** The refs for a push, as chunks for one gathered write. */
export function receivePackAdvertisement(input: ReceivePackAdvertisement): readonly Uint8Array[] {
  const { snapshot, policy, version } = input;
  const visible = (): readonly Ref[] => visibleRefs(snapshot, hiddenRefs(policy.hiddenRefs));
  const refs = remembered(snapshot, `receive-pack\n${policy.hiddenRefs.join('\n')}`, visible);
  const haves = haveLines(input, input.alternateTips.length === 0 ? [] : visible());
  const extra = encodeLines(refs.first === undefined ? haves : [refs.first, ...haves]);
  const all = { first: refs.first ?? extra.first, others: Buffer.concat([refs.others, extra.others]) };
  const capabilities = receivePackCapabilities(input);
  return frame(haves.length === 0 ? refs : all, capabilities, input.objectFormat, version, input.shallows);
}
