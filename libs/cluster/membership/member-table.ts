import type { Log } from '#base';
import type { LeaseEntry } from './lease-store.ts';
import type { Member, MembershipEvent, VolumeLocation } from './membership.ts';
import {
  type ClaimRecord,
  decodeClaim,
  decodeNode,
  type NodeRecord,
  parseKey,
  splitNode,
} from './records.ts';

/** A node's record as it was last heard. Most of what is heard says nothing new, so it is changed in place. */
export interface KnownNode {
  readonly record: NodeRecord;
  /** Without the beat. */
  readonly text: string;
  beat: number;
  revision: number;
  /** By this node's own monotonic clock. */
  heardAtMs: number;
  readonly member: Member;
}

interface KnownClaim {
  readonly record: ClaimRecord;
  revision: number;
}

/** What a node knows of all nodes and volumes: it is told entries of the lease store, and says what changed. */
export class MemberTable {
  readonly #selfName: string;
  readonly #log: Log;
  readonly #nodes = new Map<string, KnownNode>();
  readonly #claims = new Map<string, KnownClaim>();
  #sorted: readonly Member[] | undefined;

  constructor(selfName: string, log: Log) {
    this.#selfName = selfName;
    this.#log = log;
  }

  /** All that did not leave, sorted by name. */
  get members(): readonly Member[] {
    this.#sorted ??= [...this.#nodes.values()]
      .filter(({ record }) => record.gone !== 'left')
      .map(({ member }) => member)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  known(name: string): KnownNode | undefined {
    return this.#nodes.get(name);
  }

  get all(): Iterable<KnownNode> {
    return this.#nodes.values();
  }

  claim(volumeId: string): KnownClaim | undefined {
    return this.#claims.get(volumeId);
  }

  location(volumeId: string): VolumeLocation | undefined {
    const claim = this.#claims.get(volumeId)?.record;
    if (claim === undefined) return undefined;
    const known = this.#nodes.get(claim.node);
    return {
      volumeId,
      node: claim.node,
      region: known?.record.region ?? '',
      address: known?.record.address,
      isLocal: claim.node === this.#selfName,
      isAlive: known !== undefined && isValid(claim, known.record),
      isDraining: known?.record.isDraining === true,
    };
  }

  get locations(): readonly VolumeLocation[] {
    return [...this.#claims.keys()].sort().flatMap((volumeId) => this.location(volumeId) ?? []);
  }

  /** A list follows of a store that may have begun to count anew. */
  restart(): void {
    for (const known of this.#nodes.values()) known.revision = 0;
    for (const claim of this.#claims.values()) claim.revision = 0;
  }

  /** Takes over what an entry says, unless it is older than what is known. */
  apply(entry: LeaseEntry, nowMs: number): readonly MembershipEvent[] {
    const key = parseKey(entry.key);
    if (key === undefined || entry.value === undefined) return [];
    try {
      return key.kind === 'node'
        ? this.#applyNode(key.name, entry.value, entry.revision, nowMs)
        : this.#applyClaim(key.name, decodeClaim(entry.value), entry.revision);
    } catch (error) {
      this.#log.error('a record of the cluster was passed over', { key: entry.key, error });
      return [];
    }
  }

  /** Nodes that have been gone for `forgetMs` and have no volume that somebody could look for. */
  forgettable(nowMs: number, forgetMs: number): readonly KnownNode[] {
    const gone = [...this.#nodes.values()].filter(
      ({ record, heardAtMs }) => record.gone !== undefined && nowMs - heardAtMs >= forgetMs,
    );
    if (gone.length === 0) return gone;
    const owners = new Set(Array.from(this.#claims.values(), ({ record }) => record.node));
    return gone.filter(({ member }) => !owners.has(member.name));
  }

  forget(name: string): void {
    this.#nodes.delete(name);
    this.#sorted = undefined;
  }

  #applyNode(name: string, value: string, revision: number, heardAtMs: number): readonly MembershipEvent[] {
    const before = this.#nodes.get(name);
    if (before !== undefined && revision <= before.revision) return [];
    const { beat, text } = splitNode(value);
    if (before?.text === text) {
      before.beat = beat;
      before.revision = revision;
      before.heardAtMs = heardAtMs;
      return [];
    }
    const record = decodeNode(text);
    const { term: _term, gone, ...state } = record;
    const member: Member = { name, ...state, isAlive: gone === undefined };
    this.#nodes.set(name, { record, text, beat, revision, heardAtMs, member });
    this.#sorted = undefined;
    return nodeEvents(before, record, member);
  }

  #applyClaim(volumeId: string, record: ClaimRecord, revision: number): readonly MembershipEvent[] {
    const before = this.#claims.get(volumeId);
    if (before !== undefined && revision <= before.revision) return [];
    this.#claims.set(volumeId, { record, revision });
    const from = before?.record.node;
    const volume = this.location(volumeId);
    return volume === undefined || from === record.node ? [] : [{ kind: 'volumeMoved', volume, from }];
  }
}

/** Whether the claim is that of a lease which has not ended. */
export function isValid(claim: ClaimRecord, { instanceId, term, gone }: NodeRecord): boolean {
  return gone === undefined && claim.instanceId === instanceId && claim.term === term;
}

/** Whether the claim's lease is known to have ended: unlike its opposite, this stays true for ever. */
export function isVoid(claim: ClaimRecord, { term, gone }: NodeRecord): boolean {
  return term > claim.term || (term === claim.term && gone !== undefined);
}

function nodeEvents(
  before: KnownNode | undefined,
  record: NodeRecord,
  node: Member,
): readonly MembershipEvent[] {
  const wasAlive = before?.member.isAlive === true;
  if (!wasAlive) return node.isAlive ? [{ kind: 'joined', node }] : [];
  if (!node.isAlive) return [{ kind: record.gone === 'left' ? 'left' : 'leaseLost', node }];
  if (before.record.instanceId === record.instanceId) return [{ kind: 'changed', node }];
  return [
    { kind: 'leaseLost', node: { ...before.member, isAlive: false } },
    { kind: 'joined', node },
  ];
}
