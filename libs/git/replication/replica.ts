import { type ByteStream, isZeroOid, type ObjectFormat, type Oid, PackhorseError, zeroOid } from '#base';
import type { CommandResult, Quarantine, RefCommand, RefSnapshot } from '#wire';
import type { Pusher } from '../agent.ts';
import {
  compareReach,
  type CopyState,
  type CopyStateFile,
  reachOf,
  type ReplicatedTransaction,
  superseded,
} from './copy-state.ts';
import { keepAside } from './aside.ts';
import type { Storage } from '../storage.ts';

/** What a copy needs of its repository. */
export interface ReplicaHost {
  readonly gitDir: string;
  readonly objectFormat: ObjectFormat;
  readonly storage: Storage;
  readonly state: CopyStateFile;
  refs(): Promise<RefSnapshot>;
  existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>>;
  /** Takes in packs that another copy has examined already. */
  openQuarantine(signal: AbortSignal): Promise<Quarantine>;
  transact(
    commands: readonly RefCommand[],
    options: { readonly by: Pusher; readonly message: string },
  ): Promise<readonly CommandResult[]>;
  setHead(target: string, by: Pusher): Promise<void>;
  addShallows(oids: readonly Oid[]): Promise<void>;
  /** Notes in the volume that something is under way. */
  noteBusy(): Promise<AsyncDisposable>;
}

/** All refs of a copy at one moment. */
export interface CopyContents {
  readonly epoch: number;
  readonly generation: number;
  readonly lastId: string;
  readonly refs: readonly (readonly [name: string, oid: Oid])[];
  /** What HEAD names. */
  readonly head: string | undefined;
  readonly shallows: readonly Oid[];
}

/** Who a copy acts for when nobody pushes. */
const server: Pusher = { name: 'packhorse', email: 'packhorse@localhost' };

/** Where a change waits at a copy that is not the primary. Dispose it, whatever becomes of it. */
export interface IncomingChange extends AsyncDisposable {
  /** Objects that the change brings, as the primary gets them. */
  receive(pack: ByteStream): Promise<void>;
  /** Notes the transaction, with its objects, durably. Throws `failed_precondition` when this copy is not right before it. */
  prepare(transaction: ReplicatedTransaction): Promise<void>;
}

/** A copy of a repository that follows another one. */
export class Replica {
  readonly #host: ReplicaHost;

  constructor(host: ReplicaHost) {
    this.#host = host;
  }

  state(): Promise<CopyState> {
    return this.#host.state.current();
  }

  /** Promises, durably, to take nothing of a lower epoch any more; resolves to how far the copy is. */
  async seal(epoch: number): Promise<CopyState> {
    const { state } = this.#host;
    if ((await state.current()).sealedEpoch < epoch) {
      await state.write(({ sealedEpoch }) => ({ sealedEpoch: Math.max(sealedEpoch, epoch) }));
    }
    return await state.current();
  }

  /** Begins a change. */
  async begin(signal: AbortSignal): Promise<IncomingChange> {
    const busy = await this.#host.noteBusy();
    let quarantine: Quarantine | undefined;
    return {
      receive: async (pack) => {
        quarantine = await this.#host.openQuarantine(signal);
        await quarantine.receive(pack, { maxPackBytes: Number.MAX_SAFE_INTEGER, clientShallows: [] });
      },
      prepare: async (transaction) => {
        await this.#checkOrder(transaction);
        await quarantine?.migrate();
        await this.#checkObjects(transaction.commands);
        // It may have been sealed, or begun to follow, while the objects were looked at.
        await this.#host.state.write((now) => {
          requireNext(transaction, now);
          return { prepared: transaction, isPrimary: false };
        });
      },
      [Symbol.asyncDispose]: async () => {
        await quarantine?.[Symbol.asyncDispose]();
        await busy[Symbol.asyncDispose]();
      },
    };
  }

  /** What was noted before is done if the primary has done it, and given up if it has not. */
  async #checkOrder(transaction: ReplicatedTransaction): Promise<void> {
    const before = await this.state();
    requireEpoch(transaction, before);
    if (before.prepared?.id === transaction.previousId) await this.#apply(before.prepared);
    requireNext(transaction, await this.state());
  }

  async #checkObjects(commands: readonly RefCommand[]): Promise<void> {
    const oids = commands.map(({ newOid }) => newOid).filter((oid) => !isZeroOid(oid));
    const found = await this.#host.existing(oids);
    const missing = oids.find((oid) => !found.has(oid));
    if (missing === undefined) return;
    throw new PackhorseError('data_loss', 'Objects of a change did not reach this copy.', {
      metadata: { missing },
    });
  }

  /** Does what was noted. Nothing happens when it has been done, or given up, already. */
  async commit(id: string): Promise<void> {
    const { prepared } = await this.state();
    if (prepared?.id === id) await this.#apply(prepared);
  }

  /** Forgets what was noted, durably. */
  async abort(id: string): Promise<void> {
    const { prepared } = await this.state();
    if (prepared?.id === id) await this.#host.state.write({ prepared: undefined });
  }

  /** Makes this copy the primary under `epoch`: whatever it has noted is done. */
  async promote(epoch: number): Promise<CopyState> {
    const { state } = this.#host;
    const before = await state.current();
    if (before.sealedEpoch > epoch) throw superseded(epoch, before);
    const { prepared } = before;
    if (prepared !== undefined) await this.#apply(prepared);
    await state.write((now) => {
      if (now.sealedEpoch > epoch) throw superseded(epoch, now);
      return { epoch, sealedEpoch: epoch, isPrimary: true };
    });
    return await state.current();
  }

  /** After a start: does what this copy, still the primary, had noted. Others may have noted it too, and would do it. */
  async resume(): Promise<void> {
    const { prepared, isPrimary } = await this.state();
    if (prepared !== undefined && isPrimary) await this.#apply(prepared);
  }

  /** Does a transaction that may have been done, in part or wholly, before. */
  async #apply(transaction: ReplicatedTransaction): Promise<void> {
    const host = this.#host;
    const { by, message, head, shallows, commands } = transaction;
    await using _busy = await host.noteBusy();
    if (shallows !== undefined) await host.addShallows(shallows);
    const snapshot = await host.refs();
    const zero = zeroOid(host.objectFormat);
    const open = commands.filter(({ name, newOid }) => (snapshot.get(name)?.oid ?? zero) !== newOid);
    const results = await host.transact(open, { by, message });
    const failed = results.find((result) => result.status === 'rejected');
    if (failed?.status === 'rejected') {
      throw new PackhorseError('data_loss', 'This copy could not follow the primary.', {
        metadata: { ref: failed.name, reason: failed.reason },
      });
    }
    if (head !== undefined && snapshot.head.symref !== head) await host.setHead(head, by);
    await host.state.advance(transaction.id);
  }

  /**
   * Makes this copy what `contents` says; `pack` brings the objects that it lacks. What it had as a
   * primary and nobody else has is kept aside. In between the copy counts as holding nothing.
   */
  async adopt(contents: CopyContents, pack: ByteStream | undefined, signal: AbortSignal): Promise<void> {
    const host = this.#host;
    const before = await this.state();
    if (contents.epoch < before.sealedEpoch) throw superseded(contents.epoch, before);
    await using _busy = await host.noteBusy();
    if (pack !== undefined) await this.#takeIn(pack, signal);
    const commands = await this.#difference(contents);
    await this.#checkObjects(commands);
    if (before.isPrimary) await keepAside(host.storage, host.gitDir, commands, before);
    await host.state.write((now) => {
      if (contents.epoch < now.sealedEpoch) throw superseded(contents.epoch, now);
      if (compareReach(contents, reachOf(now)) < 0) throw overtaken();
      return { isTorn: true, isPrimary: false, prepared: undefined };
    });
    if (contents.shallows.length > 0) await host.addShallows(contents.shallows);
    const results = await host.transact(commands, { by: server, message: 'copy of the primary' });
    const failed = results.find((result) => result.status === 'rejected');
    if (failed?.status === 'rejected') {
      throw new PackhorseError('aborted', 'This copy could not be brought up to date.', {
        metadata: { ref: failed.name, reason: failed.reason },
      });
    }
    const { head } = await host.refs();
    if (contents.head !== undefined && head.symref !== contents.head)
      await host.setHead(contents.head, server);
    const { epoch, generation, lastId } = contents;
    await host.state.write({ epoch, generation, lastId, isTorn: false });
  }

  async #takeIn(pack: ByteStream, signal: AbortSignal): Promise<void> {
    await using quarantine = await this.#host.openQuarantine(signal);
    await quarantine.receive(pack, { maxPackBytes: Number.MAX_SAFE_INTEGER, clientShallows: [] });
    await quarantine.migrate();
  }

  /** What leads from the refs of this copy to those of `contents`. */
  async #difference({ refs }: CopyContents): Promise<readonly RefCommand[]> {
    const snapshot = await this.#host.refs();
    const zero = zeroOid(this.#host.objectFormat);
    const wanted = new Map(refs);
    const commands: RefCommand[] = [];
    for (const { name, oid } of snapshot.refs) {
      if (!wanted.has(name)) commands.push({ name, oldOid: oid, newOid: zero });
    }
    for (const [name, newOid] of wanted) {
      const oldOid = snapshot.get(name)?.oid ?? zero;
      if (oldOid !== newOid) commands.push({ name, oldOid, newOid });
    }
    return commands;
  }
}

function requireEpoch({ epoch }: ReplicatedTransaction, now: CopyState): void {
  if (epoch < Math.max(now.sealedEpoch, now.epoch)) throw superseded(epoch, now);
}

/** Throws unless the transaction comes right after what the copy has done, from a primary that it listens to. */
function requireNext(transaction: ReplicatedTransaction, now: CopyState): void {
  requireEpoch(transaction, now);
  const { epoch, generation, isTorn, lastId } = now;
  if (!isTorn && lastId === transaction.previousId) return;
  throw new PackhorseError('failed_precondition', 'This copy is not as far as the primary.', {
    metadata: { epoch, generation, asked: transaction.generation, isBehind: true },
  });
}

function overtaken(): PackhorseError {
  return new PackhorseError('aborted', 'This copy has noted more by now than it was going to follow.');
}
