import type {
  Member,
  Membership,
  MembershipEvent,
  NodeChange,
  NodeState,
  VolumeLocation,
} from './membership.ts';

/** A node that is alone: it needs no lease, because there is nobody who could take it. */
export class SingleNode implements Membership {
  #state: Member;
  readonly #listeners = new Set<(event: MembershipEvent) => void>();

  constructor(state: Omit<NodeState, 'isDraining' | 'load'>) {
    this.#state = { ...state, isDraining: false, load: 0, isAlive: true };
  }

  get self(): Member {
    return this.#state;
  }

  nodes(): readonly Member[] {
    return [this.#state];
  }

  node(name: string): Member | undefined {
    return name === this.#state.name ? this.#state : undefined;
  }

  volume(volumeId: string): VolumeLocation | undefined {
    return this.volumes().find((volume) => volume.volumeId === volumeId);
  }

  volumes(): readonly VolumeLocation[] {
    const { name, region, address, isAlive, isDraining, volumes } = this.#state;
    return volumes
      .map(({ id }) => ({ volumeId: id, node: name, region, address, isLocal: true, isAlive, isDraining }))
      .sort((a, b) => (a.volumeId < b.volumeId ? -1 : 1));
  }

  watch(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  isLeaseHeld(): boolean {
    return this.#state.isAlive;
  }

  holdsVolume(volumeId: string): boolean {
    return this.#state.isAlive && this.#state.volumes.some(({ id }) => id === volumeId);
  }

  update(change: NodeChange): void {
    this.#change(changed(this.#state, change), 'changed');
  }

  drain(isDraining = true): Promise<void> {
    if (isDraining !== this.#state.isDraining) this.#change({ ...this.#state, isDraining }, 'changed');
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (this.#state.isAlive) this.#change({ ...this.#state, isAlive: false }, 'left');
    return Promise.resolve();
  }

  #change(state: Member, kind: 'changed' | 'left'): void {
    this.#state = state;
    for (const listener of this.#listeners) listener({ kind, node: state });
  }
}

/** `state` with what `change` says. */
export function changed<State extends NodeState>(state: State, change: NodeChange): State {
  const { freeBytes = {}, ...rest } = change;
  const volumes = state.volumes.map((volume) => ({
    ...volume,
    freeBytes: freeBytes[volume.id] ?? volume.freeBytes,
  }));
  return { ...state, ...rest, volumes };
}
