import { PackhorseError } from '#base';
import type { NodeState } from './membership.ts';

/** What stands in the lease store under `node.NAME`. */
export interface NodeRecord extends Omit<NodeState, 'name'> {
  /** Counts the leases that nodes of this name have had, whichever instance it was. */
  readonly term: number;
  /** Set when the node gave its lease back, or had it taken. It never comes back to life in the same term. */
  readonly gone?: 'left' | 'lost' | undefined;
}

/** What stands under `volume.ID`: valid exactly as long as the node has this instance, at this term, not gone. */
export interface ClaimRecord {
  readonly node: string;
  readonly instanceId: string;
  readonly term: number;
}

/** Under `formation`: a store that is new, or lost its data, knows nothing of leases that are still held. */
export interface FormationRecord {
  /** Random: each time that the store began empty it is another. */
  readonly id: string;
  readonly isSettled: boolean;
}

export const formationKey = 'formation';
export const nodeKey = (name: string): string => `node.${name}`;
export const volumeKey = (volumeId: string): string => `volume.${volumeId}`;

/** The node or volume that a key is about. */
export function parseKey(
  key: string,
): { readonly kind: 'node' | 'volume'; readonly name: string } | undefined {
  if (key.startsWith('node.')) return { kind: 'node', name: key.slice('node.'.length) };
  if (key.startsWith('volume.')) return { kind: 'volume', name: key.slice('volume.'.length) };
  return undefined;
}

/** The beat comes first and by itself, so that two records can be compared without it. */
export function encodeNode(beat: number, record: NodeRecord): string {
  return `${beat} ${JSON.stringify(record)}`;
}

/** The beat and the rest of an encoded node record. */
export function splitNode(value: string): { readonly beat: number; readonly text: string } {
  const space = value.indexOf(' ');
  return { beat: Number(value.slice(0, space)), text: value.slice(space + 1) };
}

/** Throws `data_loss` when it is not one. */
export function decodeNode(text: string): NodeRecord {
  const record = parse(text) as Partial<NodeRecord>;
  const isRecord =
    typeof record.instanceId === 'string' &&
    typeof record.region === 'string' &&
    typeof record.version === 'string' &&
    Number.isSafeInteger(record.term) &&
    Array.isArray(record.volumes);
  if (!isRecord) throw unreadable();
  return {
    instanceId: record.instanceId,
    term: record.term as number,
    gone: record.gone === 'left' || record.gone === 'lost' ? record.gone : undefined,
    region: record.region,
    address: typeof record.address === 'string' ? record.address : undefined,
    version: record.version,
    isDraining: record.isDraining === true,
    load: typeof record.load === 'number' ? record.load : 0,
    volumes: record.volumes.map((volume) => ({
      id: String(volume.id),
      sizeBytes: Number(volume.sizeBytes),
      freeBytes: Number(volume.freeBytes),
    })),
  };
}

/** Throws `data_loss` when it is not one. */
export function decodeClaim(value: string): ClaimRecord {
  const { node, instanceId, term } = parse(value) as Partial<ClaimRecord>;
  if (typeof node !== 'string' || typeof instanceId !== 'string' || !Number.isSafeInteger(term)) {
    throw unreadable();
  }
  return { node, instanceId, term: term as number };
}

export function decodeFormation(value: string): FormationRecord {
  const { id, isSettled } = parse(value) as Partial<FormationRecord>;
  return { id: String(id), isSettled: isSettled === true };
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw unreadable();
}

function unreadable(): PackhorseError {
  return new PackhorseError('data_loss', 'A record of the cluster cannot be read.');
}
