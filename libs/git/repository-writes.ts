import { type ObjectFormat, type Oid, PackhorseError } from '#base';
import type {
  CommandResult,
  CommitOptions,
  HookRunner,
  ReceivePackRepository,
  RefCommand,
  RefSnapshot,
} from '#wire';
import type { Pusher } from './agent.ts';
import { alternateTips } from './alternates.ts';
import type { CommitHistory } from './commit-graph/history.ts';
import type { DiskRepositoryOptions } from './disk-repository.ts';
import { transactionHook } from './hooks/transaction-hook.ts';
import type { RepositoryUpkeep } from './maintenance/upkeep.ts';
import type { RepositoryPacks } from './packs/repository-packs.ts';
import { hooksOf, pushSurroundings } from './push-surroundings.ts';
import { PushQuarantine, type QuarantineHost } from './quarantine/push-quarantine.ts';
import { namespacedNames } from './refs/namespace.ts';
import type { RefStore } from './refs/ref-store.ts';
import type { TransactionParticipant } from './refs/transaction.ts';
import type { CopyStateFile } from './replication/copy-state.ts';
import { type ChangeDetails, primaryParticipant } from './replication/primary.ts';
import { type CopyContents, Replica } from './replication/replica.ts';
import type { OtherCopies } from './replication/replication.ts';
import type { RepositoryConfig } from './repository-config.ts';
import type { RepositoryPolicy } from './repository-policy.ts';
import type { ShallowFile } from './shallow-file.ts';
import type { Storage } from './storage.ts';

/** The parts of a repository that writing to it takes. */
export interface WriteParts {
  readonly options: DiskRepositoryOptions;
  readonly objectFormat: ObjectFormat;
  /** What the names of all refs that are served begin with on disk. */
  readonly namespace: string;
  readonly config: RepositoryConfig;
  readonly refs: RefStore;
  readonly shallow: ShallowFile;
  readonly upkeep: RepositoryUpkeep;
  readonly packs: RepositoryPacks;
  readonly copy: CopyStateFile;
  /** How commits are walked. */
  commits(): ReturnType<CommitHistory['walkable']>;
  policy(): Promise<RepositoryPolicy>;
  servedRefs(): Promise<RefSnapshot>;
  noteBusy(): Promise<AsyncDisposable>;
}

/** Whose name the copies themselves write under. */
const replicator: Pusher = { name: 'packhorse', email: 'packhorse@localhost' };

const neverAborted = new AbortController().signal;

const usualDefaultBranches = new Set(['refs/heads/main', 'refs/heads/master', 'refs/heads/trunk']);

/** How one repository is written to: pushes, its default branch, and what other copies of it bring. */
export class RepositoryWrites {
  readonly #storage: Storage;
  readonly #parts: WriteParts;

  constructor(storage: Storage, parts: WriteParts) {
    this.#storage = storage;
    this.#parts = parts;
  }

  /** The view of git-receive-pack for one pusher, with the policy as it is now. */
  async receivePack(by: Pusher): Promise<ReceivePackRepository> {
    const [policy, config] = await Promise.all([this.#parts.policy(), this.#parts.config.values()]);
    const { options, objectFormat, namespace } = this.#parts;
    const { gitDir, mode } = options;
    const target = { gitDir, objectFormat, config, mode, namespace, refs: () => this.#refs() };
    const hooks = options.runHooks === true ? hooksOf(this.#storage, target, by) : undefined;
    const surroundings = pushSurroundings(this.#storage, target, hooks);
    return {
      objectFormat,
      receivePolicy: policy.receive,
      refs: () => this.#parts.servedRefs(),
      shallows: () => this.#parts.shallow.commits(),
      alternateTips: async () => [...(await this.#alternateTips()), ...(await this.#tipsOutsideNamespace())],
      ...surroundings,
      afterPush: async (onOutput) => {
        await this.#parts.upkeep.afterReport((text) => void onOutput(text));
        await surroundings.afterPush?.(onOutput);
      },
      openQuarantine: async (signal) => {
        if (signal.aborted) throw new PackhorseError('cancelled', 'The operation was cancelled.');
        const copies = await this.#beginCopies(signal);
        const busy = await this.#parts.upkeep.beginPush().catch(async (error: unknown) => {
          await copies?.[Symbol.asyncDispose]();
          throw error;
        });
        const host = this.#quarantineHost(policy, by, hooks, copies);
        return new PushQuarantine(this.#storage, host, busy, signal);
      },
    };
  }

  /** What other namespaces have need not be sent, but is shown to nobody by name. */
  async #tipsOutsideNamespace(): Promise<readonly Oid[]> {
    const { namespace } = this.#parts;
    if (namespace === '') return [];
    return (await this.#refs()).refs.filter(({ name }) => !name.startsWith(namespace)).map(({ oid }) => oid);
  }

  /** Names another default branch, here and in the other copies. Throws as `RefStore.setHead`. */
  async setHead(head: string, by: Pusher): Promise<void> {
    await using copies = await this.#beginCopies(neverAborted);
    const participant = copies && this.#participant(copies, { by, message: 'HEAD', head });
    const refusal = await participant?.prepare([]);
    if (refusal !== undefined) throw new PackhorseError('unavailable', refusal);
    try {
      await this.#parts.refs.setHead(head, by);
    } catch (error) {
      await participant?.aborted();
      throw error;
    }
    await participant?.committed();
  }

  /** The other copies of this repository, for a change; undefined where there are none. */
  async #beginCopies(signal: AbortSignal): Promise<OtherCopies | undefined> {
    return await this.#parts.options.replication?.()?.begin(signal);
  }

  #participant(copies: OtherCopies, { by, ...details }: ChangeDetails): TransactionParticipant {
    // Nothing of the pusher's surroundings is for others.
    const { name, email } = by;
    return primaryParticipant(this.#parts.copy, copies, { ...details, by: { name, email } }, this.#storage);
  }

  /** This repository as a copy that follows another one. */
  replica(): Replica {
    const { options, objectFormat } = this.#parts;
    return new Replica({
      gitDir: options.gitDir,
      objectFormat,
      storage: this.#storage,
      state: this.#parts.copy,
      refs: () => this.#refs(),
      existing: (oids) => options.objects.existing(oids),
      openQuarantine: async (signal) => {
        const host = this.#quarantineHost(await this.#parts.policy(), replicator, undefined, undefined);
        const lenient = { ...host, checks: { kind: 'pack' } as const, closed: false };
        return new PushQuarantine(this.#storage, lenient, await this.#parts.noteBusy(), signal);
      },
      transact: (commands, by) => this.#parts.refs.transact(commands, { atomic: false, ...by }),
      setHead: (target, by) => this.#parts.refs.setHead(target, by),
      addShallows: (oids) => this.#parts.shallow.add(oids),
      noteBusy: () => this.#parts.noteBusy(),
    });
  }

  /** All of this copy at one moment, for another one to become like it. */
  async contents(): Promise<CopyContents> {
    const result = Promise.withResolvers<CopyContents>();
    await this.#parts.refs.exclusively(async () => {
      const { epoch, generation, lastId } = await this.#parts.copy.current();
      const { refs, head } = await this.#refs();
      result.resolve({
        epoch,
        generation,
        lastId,
        refs: refs.map(({ name, oid }) => [name, oid] as const),
        head: head.symref,
        shallows: [...(await this.#parts.shallow.commits())],
      });
    });
    return await result.promise;
  }

  #quarantineHost(
    policy: RepositoryPolicy,
    by: Pusher,
    hooks: HookRunner | undefined,
    copies: OtherCopies | undefined,
  ): QuarantineHost {
    const { options, objectFormat, namespace } = this.#parts;
    const { gitDir, objects, mode } = options;
    const named = namespacedNames(namespace);
    return {
      gitDir,
      objectFormat,
      objects,
      commits: () => this.#parts.commits(),
      closed: mode === 'owned' && policy.checks.kind === 'fsck',
      checks: policy.checks,
      takesSmallPacks: policy.usualRights && !(policy.checks.kind === 'fsck' && policy.checks.configured),
      unpackLimit: policy.unpackLimit,
      copies,
      refs: () => this.#refs(),
      alternateTips: () => this.#alternateTips(),
      shallows: () => this.#parts.shallow.commits(),
      addShallows: (oids) => this.#parts.shallow.add(oids),
      refusal: async (commands, { atomic }) => {
        const refusal = await this.#parts.refs.refusal(named.onDisk(commands), atomic);
        return refusal && named.asServed(refusal);
      },
      transact: async (commands: readonly RefCommand[], how: CommitOptions) =>
        named.asServed(await this.#transactPush(named.onDisk(commands), how, { by, hooks, copies })),
    };
  }

  async #transactPush(
    commands: readonly RefCommand[],
    options: CommitOptions,
    push: {
      readonly by: Pusher;
      readonly hooks: HookRunner | undefined;
      readonly copies: OtherCopies | undefined;
    },
  ): Promise<readonly CommandResult[]> {
    const { by, hooks, copies } = push;
    const before = await this.#refs();
    const { atomic, certificate } = options;
    const message = certificate === undefined ? 'push' : `push: signed, certificate ${certificate}`;
    const hook = await transactionHook(hooks, options);
    const participant = copies && this.#participant(copies, { by, message, shallows: options.newShallows });
    const results = await this.#parts.refs.transact(commands, {
      atomic,
      by,
      message,
      ...(hook && { hook }),
      ...(participant && { participant }),
    });
    if (this.#parts.options.mode === 'owned') await this.#adoptDefaultBranch(before, by);
    void this.#parts.packs.prepare();
    await this.#parts.upkeep.afterPush(results);
    return results;
  }

  /**
   * The first branch of a repository becomes its default one, so that what somebody pushed under
   * another name than ours is checked out by those who clone it.
   */
  async #adoptDefaultBranch(before: RefSnapshot, by: Pusher): Promise<void> {
    if (before.head.oid !== undefined || before.withPrefix('refs/heads/').length > 0) return;
    const after = await this.#refs();
    const branches = after.withPrefix('refs/heads/');
    const first = branches.find(({ name }) => usualDefaultBranches.has(name)) ?? branches[0];
    if (after.head.oid !== undefined || first === undefined) return;
    try {
      await this.setHead(first.name, by);
    } catch (error) {
      this.#storage.log.warn('The first branch could not be made the default one.', { error });
    }
  }

  #alternateTips(): Promise<readonly Oid[]> {
    const { options, objectFormat } = this.#parts;
    return alternateTips(this.#storage, options.gitDir, objectFormat);
  }

  #refs(): Promise<RefSnapshot> {
    return this.#parts.refs.snapshot();
  }
}
