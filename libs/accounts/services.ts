import type { ObjectFormat } from '#base';
import type { Identity, Scope, UserIdentity } from './identity.ts';
import type { RepositoryAction, RepositoryRole } from './permissions.ts';
import type { NewPlacement, Placement, RepositoryRecord, Visibility } from './repository.ts';

/**
 * What accounts offers to doors and gateway. Failures are PackhorseErrors: `invalid_argument` with
 * a sentence for the person, `already_exists`, `not_found`, `unauthenticated`, `permission_denied`.
 */

export interface PublicKey {
  /** As in SSH (RFC 4253, 6.6), such as `ssh-ed25519`. */
  readonly algorithm: string;
  /** The key in SSH wire format, as base64-decoded from an authorized_keys line. */
  readonly blob: Uint8Array;
}

export interface Authenticator {
  /** `secret` is the user's password or one of their tokens. Throws `unauthenticated`, always after the same work. */
  byPassword(login: string, secret: string, remoteAddress: string): Promise<UserIdentity>;
  /** A token alone, as in `Authorization: Bearer`. Throws `unauthenticated` when unknown, expired or revoked. */
  byToken(token: string): Promise<UserIdentity>;
  /** undefined when nobody has that key. Bind the identity only after the signature was verified. */
  byKey(key: PublicKey): Promise<UserIdentity | undefined>;
  /** undefined when the web session is unknown or over. */
  bySession(secret: string): Promise<UserIdentity | undefined>;
}

export interface UserRecord {
  readonly id: string;
  readonly login: string;
  readonly email: string;
  readonly isAdmin: boolean;
  readonly createdAt: Date;
}

export interface Users {
  create(input: {
    readonly login: string;
    readonly email: string;
    readonly password: string;
    readonly isAdmin: boolean;
  }): Promise<UserRecord>;
  find(login: string): Promise<UserRecord | undefined>;
  list(page: Page): Promise<readonly UserRecord[]>;
  setPassword(userId: string, password: string): Promise<void>;
}

/** Keyset paging: items after the one whose sort key is `after`. */
export interface Page {
  readonly limit: number;
  readonly after?: string;
}

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
}

export interface Tokens {
  /** The token is returned once and stored only hashed. */
  create(
    userId: string,
    input: { readonly name: string; readonly scopes: readonly Scope[]; readonly expiresAt: Date | undefined },
  ): Promise<{ readonly token: string; readonly record: TokenRecord }>;
  list(userId: string): Promise<readonly TokenRecord[]>;
  revoke(userId: string, tokenId: string): Promise<void>;
}

export interface KeyRecord {
  readonly id: string;
  readonly title: string;
  readonly algorithm: string;
  /** `SHA256:...`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly createdAt: Date;
}

export interface Keys {
  /** `publicKey` is one authorized_keys line without options. Weak keys (DSA, RSA below 2048 bits) are refused. */
  add(
    userId: string,
    input: { readonly title: string | undefined; readonly publicKey: string },
  ): Promise<KeyRecord>;
  list(userId: string): Promise<readonly KeyRecord[]>;
  remove(userId: string, keyId: string): Promise<void>;
}

export interface Sessions {
  /** The secret that goes into the cookie; stored only hashed. */
  open(userId: string): Promise<string>;
  close(secret: string): Promise<void>;
}

export interface CreateRepository {
  /** Opaque (`randomId`), chosen before: the directory exists before the record does. */
  readonly id: string;
  readonly ownerLogin: string;
  readonly name: string;
  readonly description: string;
  readonly visibility: Visibility;
  readonly objectFormat: ObjectFormat;
  readonly placement: NewPlacement;
}

/** A repository on a volume. */
export interface PlacedRepository {
  readonly id: string;
  readonly placement: Placement;
}

/** Where repositories are: for the server itself, which asks nobody for permission. */
export interface Placements {
  /** As it is now, not as it is remembered. */
  find(repositoryId: string): Promise<Placement | undefined>;
  /**
   * Makes another volume the primary, or the same one anew, if the epoch is still `fromEpoch`: of
   * several that try, one succeeds. The one that was the primary becomes a replica. Returns the new
   * placement, whose epoch is `fromEpoch + 1`; undefined when the epoch is another, or the repository is gone.
   */
  movePrimary(repositoryId: string, fromEpoch: number, toVolumeId: string): Promise<Placement | undefined>;
  /** Says which other volumes have copies, and how many a push needs, if the epoch is still `epoch`. */
  setReplicas(
    repositoryId: string,
    epoch: number,
    change: { readonly replicas: readonly string[]; readonly durability?: number },
  ): Promise<Placement | undefined>;
  /** What has its primary, or a replica, on a volume, by id. */
  onVolume(
    volumeId: string,
    page: {
      readonly role: 'primary' | 'replica';
      readonly limit: number;
      readonly after?: string | undefined;
    },
  ): Promise<readonly PlacedRepository[]>;
}

/** The records of repositories. Everything takes who is asking, and answers only what they may know. */
export interface Repositories {
  /** Another node has changed something: records and roles that are remembered are read anew. */
  forget(): void;
  /**
   * The record, when `identity` may do `action` on OWNER/NAME; otherwise throws `unauthenticated`,
   * `permission_denied` or `not_found`, such that private names do not leak.
   */
  authorise(
    identity: Identity,
    ownerLogin: string,
    name: string,
    action: RepositoryAction,
  ): Promise<RepositoryRecord>;
  /** Throws what `create` would throw for this person and name, before anything is made on disk. */
  checkCreate(identity: Identity, ownerLogin: string, name: string): Promise<void>;
  /** Who may create below `ownerLogin`: that user, or an administrator. Throws `already_exists` when the name is taken. */
  create(identity: Identity, input: CreateRepository): Promise<RepositoryRecord>;
  /** What `identity` may see, by owner and name; `after` is `OWNER/NAME`. */
  list(
    identity: Identity,
    page: Page & { readonly ownerLogin?: string },
  ): Promise<readonly RepositoryRecord[]>;
  update(
    identity: Identity,
    repositoryId: string,
    change: { readonly description?: string; readonly visibility?: Visibility; readonly name?: string },
  ): Promise<RepositoryRecord>;
  /** Forgets the record; the caller removes the bytes afterwards. */
  remove(identity: Identity, repositoryId: string): Promise<void>;
  /** Gives `login` a role on the repository, or takes it away (undefined). */
  grant(
    identity: Identity,
    repositoryId: string,
    login: string,
    role: RepositoryRole | undefined,
  ): Promise<void>;
  collaborators(
    identity: Identity,
    repositoryId: string,
  ): Promise<readonly { readonly login: string; readonly role: RepositoryRole }[]>;
}

export interface Accounts {
  readonly authenticator: Authenticator;
  readonly users: Users;
  readonly tokens: Tokens;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly repositories: Repositories;
  readonly placements: Placements;
}
