import type { ObjectFormat } from '#base';
import type { ReceivePackPolicy, UploadPackPolicy } from './repository.ts';

/** What a client asked for behind its first line; the value is empty where there is none (gitprotocol-capabilities). */
export type Capabilities = ReadonlyMap<string, string>;

/** Parses `name name=value ...`; of a name that comes twice the last one counts. */
export function parseCapabilities(text: string): Capabilities {
  const capabilities = new Map<string, string>();
  for (const word of text.split(' ')) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    if (equals < 0) capabilities.set(word, '');
    else capabilities.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return capabilities;
}

export interface UploadPackCapabilityInput {
  readonly policy: UploadPackPolicy;
  readonly objectFormat: ObjectFormat;
  readonly agent: string;
  readonly sessionId: string;
  readonly stateless: boolean;
  /** The branch HEAD names, when HEAD is advertised. */
  readonly headTarget: string | undefined;
}

/** What upload-pack offers in versions 0 and 1, in Git's order. */
export function uploadPackCapabilities(input: UploadPackCapabilityInput): string {
  const { policy } = input;
  const any = policy.allowAnySha1InWant;
  return [
    'multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative',
    'no-progress include-tag multi_ack_detailed',
    ...(any || policy.allowTipSha1InWant ? ['allow-tip-sha1-in-want'] : []),
    ...(any || policy.allowReachableSha1InWant ? ['allow-reachable-sha1-in-want'] : []),
    ...(input.stateless ? ['no-done'] : []),
    ...(input.headTarget === undefined ? [] : [`symref=HEAD:${input.headTarget}`]),
    ...(policy.allowFilter ? ['filter'] : []),
    ...(policy.advertiseSessionId === true ? [`session-id=${input.sessionId}`] : []),
    `object-format=${input.objectFormat}`,
    `agent=${input.agent}`,
  ].join(' ');
}

/** What upload-pack offers in version 2, one capability a line (gitprotocol-v2, "Capability Advertisement"). */
export function protocolV2Capabilities(
  policy: UploadPackPolicy,
  objectFormat: ObjectFormat,
  agent: string,
  sessionId: string,
): readonly string[] {
  const fetchFeatures = [
    'shallow',
    'wait-for-done',
    ...(policy.allowFilter ? ['filter'] : []),
    ...(policy.allowRefInWant === true ? ['ref-in-want'] : []),
    ...(policy.allowSidebandAll === true ? ['sideband-all'] : []),
    ...(policy.allowPackfileUris === true ? ['packfile-uris'] : []),
  ];
  return [
    `agent=${agent}`,
    (policy.unborn ?? 'advertise') === 'advertise' ? 'ls-refs=unborn' : 'ls-refs',
    `fetch=${fetchFeatures.join(' ')}`,
    'server-option',
    `object-format=${objectFormat}`,
    ...(policy.advertiseSessionId === true ? [`session-id=${sessionId}`] : []),
    ...(policy.advertiseObjectInfo === true ? ['object-info=size'] : []),
    ...(policy.advertiseBundleUris === true ? ['bundle-uri'] : []),
    ...(policy.promisorAdvertisement === undefined
      ? []
      : [`promisor-remote=${policy.promisorAdvertisement}`]),
  ];
}

export interface ReceivePackCapabilityInput {
  readonly policy: ReceivePackPolicy;
  readonly objectFormat: ObjectFormat;
  readonly agent: string;
  readonly sessionId: string;
  /** What a signed push has to contain. */
  readonly nonce?: string | undefined;
}

/** What receive-pack offers, in Git's order. */
export function receivePackCapabilities(input: ReceivePackCapabilityInput): string {
  const { policy, nonce } = input;
  return [
    'report-status report-status-v2 delete-refs side-band-64k quiet',
    ...(policy.advertiseAtomic ? ['atomic'] : []),
    'ofs-delta',
    ...(nonce === undefined ? [] : [`push-cert=${nonce}`]),
    ...(policy.advertisePushOptions ? ['push-options'] : []),
    ...(policy.advertiseSessionId ? [`session-id=${input.sessionId}`] : []),
    `object-format=${input.objectFormat}`,
    `agent=${input.agent}`,
  ].join(' ');
}
