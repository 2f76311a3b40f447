/** A disk that a node has mounted. */
export interface VolumeState {
  /** Random, written on the volume itself: the same wherever the disk is mounted. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

/** What a node says of itself. */
export interface NodeState {
  readonly name: string;
  /** Random, made at each start: two processes are never the same instance. */
  readonly instanceId: string;
  readonly region: string;
  /** `host:port` where other nodes reach it; undefined where there are no others. */
  readonly address: string | undefined;
  readonly version: string;
  /** True from when it was told to stop: nothing new is put there. */
  readonly isDraining: boolean;
  /** How busy it is: its event loop's share of time, from 0 to 1. */
  readonly load: number;
  /** The volumes that it holds the claim of. */
  readonly volumes: readonly VolumeState[];
}

/** A node as this one knows it. */
export interface Member extends NodeState {
  /** False from when its lease was taken from it until it is back, and after it left. */
  readonly isAlive: boolean;
}

/** Which node has a volume, or had it last. */
export interface VolumeLocation {
  readonly volumeId: string;
  /** The node's name. */
  readonly node: string;
  readonly region: string;
  readonly address: string | undefined;
  /** True for the node that asks. */
  readonly isLocal: boolean;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
}

/**
 * What changed, after the table has. `leaseLost` is said when the lease was taken away for good, not
 * only missed: from then on the node that had it knows, before it does anything, that it has it no more.
 */
export type MembershipEvent =
  | { readonly kind: 'joined' | 'changed' | 'left' | 'leaseLost'; readonly node: Member }
  | {
      readonly kind: 'volumeMoved';
      readonly volume: VolumeLocation;
      /** The node that had it before, if any. */
      readonly from: string | undefined;
    };

/** What a node changes of what it says of itself. */
export type NodeChange = Partial<Pick<NodeState, 'address' | 'load'>> & {
  /** Free space of some of its volumes, by id. */
  readonly freeBytes?: Readonly<Record<string, number>>;
};

/**
 * Which nodes there are and which volumes they have: a table in memory that answers at once, kept up
 * to date by watching. Every answer is what was known a moment ago; what must not be wrong asks
 * `holdsVolume` where the volume is.
 */
export interface Membership {
  /** This node. */
  readonly self: Member;
  /** All nodes that are known, this one too, sorted by name; those that left are not. */
  nodes(): readonly Member[];
  node(name: string): Member | undefined;
  volume(volumeId: string): VolumeLocation | undefined;
  /** All volumes that some node has or had, sorted by id. */
  volumes(): readonly VolumeLocation[];
  /** Runs `listener` after each change; the returned function ends that. */
  watch(listener: (event: MembershipEvent) => void): () => void;
  /**
   * True while nobody else can have taken this node's lease: judged by this node's own clock at the
   * moment of asking, so a process that was frozen knows it at once when it goes on.
   */
  isLeaseHeld(): boolean;
  /** True while this node holds its lease and the claim of the volume: the condition of every write to it. */
  holdsVolume(volumeId: string): boolean;
  /** Tells the others something new about this node. */
  update(change: NodeChange): void;
  /** Tells everybody that nothing new is to be put on this node (or with false, that it is again). */
  drain(isDraining?: boolean): Promise<void>;
  /** Leaves: the lease and all claims are given back. */
  close(): Promise<void>;
}
