import type { Identity, RepositoryAction } from '#accounts';
import type { ErrorCode, ErrorMetadata } from '#base';
import type { RepositoryReader } from '#git';
import type { GitRequest } from '../gateway.ts';

/**
 * What nodes say to each other about repositories. Whoever was let in at one node's door is named,
 * and asked for the same right again where the repository is.
 */
export const topics = {
  /** A dialogue of bytes: a Git conversation. */
  session: 'git.session',
  /** A call: facts about a bundle. */
  bundle: 'git.bundle',
  /** A stream: bytes of a bundle. */
  bundleContent: 'git.bundle-content',
  /** A call: one method of an agent. */
  call: 'repository.call',
  /** An exchange: many reads that see the same refs. */
  transaction: 'repository.transaction',
  /** A stream: the bytes of a blob. */
  blob: 'repository.blob',
  /** A stream of text, then a report. */
  maintain: 'repository.maintain',
  /** A stream of text. */
  import: 'repository.import',
  /** A call: makes an empty repository. */
  createOnVolume: 'volume.create',
  /** A call: removes one. */
  removeFromVolume: 'volume.remove',
} as const;

/** How often a request may be sent on: the node that is asked may have handed the repository over a moment ago. */
export const maxHops = 2;

export interface SessionArgument {
  readonly request: GitRequest;
  /** Nodes that sent this on, this time included. */
  readonly hops: number;
  /** `dialogue`: an advertisement, an empty message, and the rest. */
  readonly part: 'advertise' | 'serve' | 'dialogue';
  readonly version: 0 | 1 | 2;
}

export interface BundleArgument {
  readonly request: GitRequest;
  readonly hops: number;
  readonly id: string;
  /** Only where content is asked for. */
  readonly startByte?: number;
  readonly endByte?: number;
}

export interface BundleFacts {
  readonly sizeBytes: number;
  readonly modifiedAtMs?: number;
  readonly etag?: string;
}

/** Who wants what of which repository. */
export interface Access {
  readonly identity: Identity;
  readonly ownerLogin: string;
  readonly name: string;
  readonly action: RepositoryAction;
  readonly hops: number;
}

/** The methods of an agent that are a value for values. */
export const remoteReads = [
  'head',
  'refs',
  'resolve',
  'peel',
  'commit',
  'tag',
  'tree',
  'entry',
  'blob',
  'history',
  'lastCommits',
  'diff',
  'aheadBehind',
  'mergeBase',
] as const satisfies readonly (keyof RepositoryReader)[];
export const remoteWrites = ['createCommit', 'setHead', 'facts', 'verify'] as const;
export type RemoteRead = (typeof remoteReads)[number];
export type RemoteMethod = RemoteRead | (typeof remoteWrites)[number];

export interface CallArgument {
  readonly access: Access;
  readonly method: RemoteMethod;
  readonly args: readonly unknown[];
}

/** What a read of a transaction came to. */
export type TransactionAnswer =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly metadata: ErrorMetadata;
      };
    };

export interface MaintainArgument {
  readonly access: Access;
  readonly graphOnly: boolean;
}

export interface ImportArgument {
  readonly access: Access;
  readonly source: string;
}
