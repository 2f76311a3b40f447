import { type Oid, hasCode, isZeroOid, type PackhorseError, toPackhorseError } from '#base';
import type { Conversation } from './conversation.ts';
import { hiddenRefs } from './hidden-refs.ts';
import { KeepAlive } from './keep-alive.ts';
import type { WireOptions } from './options.ts';
import type { PktWriter } from './pkt-writer.ts';
import { type ProcReceiveAnswer, talkToProcReceive } from './proc-receive.ts';
import type { NonceCheck } from './push-certificate.ts';
import { certificateEnvironment } from './push-certificate.ts';
import {
  checkAliases,
  checkCommand,
  checkHidden,
  checkObjects,
  isForProcReceive,
  type PolicyContext,
  type Refusal,
  repeatedCommands,
} from './push-policy.ts';
import { isDeletion, type PushRequest } from './push-request.ts';
import { PushVerdicts } from './push-verdicts.ts';
import type {
  CommitOptions,
  HookCall,
  HookName,
  HookRunner,
  Quarantine,
  ReceivePackRepository,
  RefCommand,
  RefSnapshot,
} from './repository.ts';

/** A push and everything that takes part in it. */
export interface Push {
  readonly repository: ReceivePackRepository;
  readonly request: PushRequest;
  readonly writer: PktWriter;
  readonly conversation: Conversation;
  readonly options: WireOptions;
  /** Of a signed push. */
  readonly nonce: NonceCheck | undefined;
}

/** Most tips of one push that are looked at one by one for where a shallow history ends. */
const maxShallowTips = 64;

/**
 * What happens to the commands of one push, in git's order (builtin/receive-pack.c,
 * `execute_commands`): checks, hooks, one ref transaction. Everything is written to `verdicts`.
 */
export class PushExecution {
  readonly verdicts: PushVerdicts;
  readonly #push: Push;
  readonly #hooks: HookRunner | undefined;
  readonly #atomic: boolean;
  #newShallows: readonly Oid[] = [];
  #certificateBlob: Oid | undefined;
  #hookEnvironment: Readonly<Record<string, string>> = {};

  constructor(push: Push) {
    this.#push = push;
    this.verdicts = new PushVerdicts(push.request.commands);
    this.#hooks = push.repository.hooks;
    this.#atomic = push.repository.receivePolicy.advertiseAtomic && push.request.capabilities.has('atomic');
  }

  /** True when nothing can come of this push any more. */
  get isLost(): boolean {
    const { open, anyRefused } = this.verdicts;
    return open.length === 0 || (this.#atomic && anyRefused);
  }

  /** What can be decided before the pack is read. Hooks are asked first, where there are any. */
  async before(): Promise<void> {
    const { request } = this.#push;
    const { certificate, pushOptions } = request;
    if (certificate !== undefined && certificate.pushOptions.join('\n') !== pushOptions.join('\n')) {
      this.verdicts.refuseOpen('inconsistent push options');
      return;
    }
    for (const command of repeatedCommands(request.commands)) {
      this.verdicts.refuse(command, 'multiple updates for one ref');
    }
    if (this.#hooks === undefined) await this.#checkCommands(this.verdicts.open);
  }

  /** Everything between the pack and the report. Throws only what nobody expected, or `cancelled`. */
  async run(quarantine: Quarantine): Promise<void> {
    await this.#checkConnected(quarantine);
    if (this.#hooks !== undefined) {
      const hidden = hiddenRefs(this.#push.repository.receivePolicy.hiddenRefs);
      this.#judge(this.verdicts.open, (command) => checkHidden(command, hidden));
      await this.#storeCertificate();
      if (!(await this.#preReceive(quarantine))) {
        this.verdicts.refuseOpen('pre-receive hook declined');
        return;
      }
    }
    if (this.isLost) return;
    if (this.#hooks === undefined) await this.#storeCertificate();
    if (this.#hooks !== undefined) await quarantine.migrate();
    await this.#checkAliases();
    await this.#procReceive();
    if (this.isLost) return;
    await this.#update(quarantine);
  }

  /** Settles what was left open by commands that took the others down with them. */
  finish(): void {
    this.verdicts.refuseOpen('atomic push failure', this.#atomic && this.verdicts.anyRefused);
  }

  /** Hooks that hear of a push when it is over, and have no say in it. */
  async after(): Promise<void> {
    const { repository } = this.#push;
    const hooks = this.#hooks;
    const { done } = this.verdicts;
    if (hooks !== undefined && done.length > 0) {
      const input = this.verdicts.lines(done);
      const environment = { ...this.#pushOptions(), ...this.#hookEnvironment };
      await hooks.run({ ...this.#call('post-receive', { environment }), input: chunks(input) });
      await hooks.run(this.#call('post-update', { args: done.map(({ name }) => name) }));
    }
    await repository.afterPush?.((text) => this.#show(text));
  }

  #tell = (text: string): void => this.verdicts.tell(text);

  async #say(): Promise<void> {
    const text = this.verdicts.takeNotes();
    if (text !== '') await this.#push.writer.progress(Buffer.from(text));
  }

  #judge(commands: readonly RefCommand[], check: (command: RefCommand) => Refusal | undefined): void {
    for (const command of commands) this.verdicts.refuse(command, check(command));
  }

  async #context(snapshot?: RefSnapshot): Promise<PolicyContext> {
    const { repository } = this.#push;
    const [refs, workTrees] = await Promise.all([snapshot ?? repository.refs(), repository.workTrees()]);
    return { policy: repository.receivePolicy, snapshot: refs, workTrees, tell: this.#tell };
  }

  async #checkCommands(commands: readonly RefCommand[]): Promise<void> {
    const context = await this.#context();
    this.#judge(commands, (command) => checkCommand(command, context));
    await this.#say();
  }

  /** Every object that a new value leads to must be there; a shallow client's history may end early. */
  async #checkConnected(quarantine: Quarantine): Promise<void> {
    const { repository, request } = this.#push;
    const updates = this.verdicts.open.filter((command) => !isDeletion(command));
    if (updates.length === 0) return;
    const missing = await quarantine.disconnected([...new Set(updates.map(({ newOid }) => newOid))]);
    if (missing.size === 0) return;
    const newShallows = new Set<Oid>();
    for (const [index, tip] of [...missing].entries()) {
      const mayBeShallow = request.clientShallows.length > 0 && index < maxShallowTips;
      const roots = mayBeShallow ? await quarantine.shallowRoots(tip) : undefined;
      const affected = updates.filter(({ newOid }) => newOid === tip);
      if (roots === undefined) this.#judge(affected, () => 'missing necessary objects');
      else if (!repository.receivePolicy.shallowUpdate)
        this.#judge(affected, () => 'shallow update not allowed');
      else for (const root of roots) newShallows.add(root);
    }
    this.#newShallows = [...newShallows];
  }

  async #storeCertificate(): Promise<void> {
    const { request, repository, nonce } = this.#push;
    const { certificate } = request;
    if (certificate === undefined || nonce === undefined) return;
    const blob = await repository.storeCertificate(certificate.bytes);
    const check = await repository.verifySignature(certificate.payload, certificate.signature);
    this.#certificateBlob = blob;
    this.#hookEnvironment = certificateEnvironment(blob, check, nonce);
  }

  #pushOptions(): Record<string, string> {
    const { pushOptions } = this.#push.request;
    return {
      ...Object.fromEntries(pushOptions.map((option, index) => [`GIT_PUSH_OPTION_${index}`, option])),
      GIT_PUSH_OPTION_COUNT: String(pushOptions.length),
    };
  }

  /** A call of a hook; until refs are updated it ends with the client. */
  #call(name: HookName, call: Pick<HookCall, 'args' | 'environment' | 'signal'>): HookCall {
    return {
      name,
      ...call,
      onOutput: (text) => this.#show(text),
    };
  }

  /** A client that does not listen any more is found out when the report is written. */
  async #show(text: Uint8Array): Promise<void> {
    await this.#push.writer.progress(text).catch(() => undefined);
  }

  async #preReceive(quarantine: Quarantine): Promise<boolean> {
    const hooks = this.#hooks;
    if (hooks === undefined || !(await hooks.has('pre-receive'))) return true;
    const { signal } = this.#push.conversation;
    const environment = {
      ...this.#pushOptions(),
      ...this.#hookEnvironment,
      ...(await quarantine.environment()),
    };
    const input = chunks(this.verdicts.lines(this.#push.request.commands));
    return await hooks.run({ ...this.#call('pre-receive', { environment, signal }), input });
  }

  async #checkAliases(): Promise<void> {
    const snapshot = await this.#push.repository.refs();
    const { skipped, refused } = checkAliases(this.verdicts.open, snapshot, this.#tell);
    for (const [command, reason] of refused) this.verdicts.refuse(command, reason);
    for (const command of skipped) this.verdicts.accept(command);
    await this.#say();
  }

  /** Has the proc-receive hook do what `receive.procReceiveRefs` gives it. */
  async #procReceive(): Promise<void> {
    const { repository } = this.#push;
    const patterns = repository.receivePolicy.procReceiveRefs;
    const scheduled = this.verdicts.open.filter((command) => isForProcReceive(command, patterns));
    if (scheduled.length === 0) return;
    const answer = await this.#askProcReceive(scheduled);
    const failed = answer?.succeeded !== true;
    for (const command of scheduled) {
      const result = answer?.results.get(command);
      if (result?.kind === 'ok') this.verdicts.accept(command, result.reports);
      else if (result?.kind === 'ng') this.verdicts.refuse(command, result.reason);
      else if (result === undefined || (failed && this.#atomic)) {
        this.verdicts.refuse(command, 'fail to run proc-receive hook');
      }
    }
    if (failed && this.#atomic) this.verdicts.refuseOpen('fail to run proc-receive hook');
    await this.#say();
  }

  async #askProcReceive(commands: readonly RefCommand[]): Promise<ProcReceiveAnswer | undefined> {
    const { request, repository, conversation } = this.#push;
    const pushOptions = request.capabilities.has('push-options') ? request.pushOptions : undefined;
    const others = request.commands.filter((command) => !commands.includes(command));
    const task = {
      commands,
      otherNames: new Set(others.map(({ name }) => name)),
      atomic: this.#atomic,
      pushOptions,
      objectFormat: repository.objectFormat,
    };
    const call = this.#call('proc-receive', { signal: conversation.signal });
    const ended = await this.#hooks?.converse(call, (input, output) =>
      talkToProcReceive(task, input, output),
    );
    if (ended === undefined) {
      this.#tell("error: cannot find hook 'proc-receive'");
      return undefined;
    }
    const { result, succeeded } = ended;
    if (result.problems.length > 0) this.#tell(`error: ${result.problems.join('\n')}`);
    return { ...result, succeeded: result.succeeded && succeeded };
  }

  /** Asks the rest of the policy and the update hook, and moves the refs. */
  async #update(quarantine: Quarantine): Promise<void> {
    const commands = this.verdicts.open;
    const isBranchUpdate = (command: RefCommand): boolean =>
      command.name.startsWith('refs/heads/') && !isDeletion(command);
    const kinds = await quarantine.kindsOf(commands.filter(isBranchUpdate).map(({ newOid }) => newOid));
    const context = await this.#context();
    const hasUpdateHook = (await this.#hooks?.has('update')) === true;
    // With a hook between them, each command is finished before the next one, as its hook may look at the other.
    const oneByOne =
      !this.#atomic && (hasUpdateHook || (await this.#hooks?.has('reference-transaction')) === true);
    const ready: RefCommand[] = [];
    for (const command of commands) {
      const refusal = await this.#mayUpdate(command, { context, kinds, quarantine, hasUpdateHook });
      await this.#say();
      this.verdicts.refuse(command, refusal);
      if (refusal === undefined) ready.push(command);
      else if (this.#atomic) return;
      if (oneByOne) await this.#commit(quarantine, ready.splice(0));
    }
    await this.#commit(quarantine, ready);
  }

  async #mayUpdate(
    command: RefCommand,
    input: {
      readonly context: PolicyContext;
      readonly kinds: Awaited<ReturnType<Quarantine['kindsOf']>>;
      readonly quarantine: Quarantine;
      readonly hasUpdateHook: boolean;
    },
  ): Promise<Refusal | undefined> {
    const { context, kinds, quarantine, hasUpdateHook } = input;
    const refusal =
      (this.#hooks === undefined ? undefined : checkCommand(command, context)) ??
      (await checkObjects(command, kinds, quarantine, context));
    if (refusal !== undefined) return refusal;
    await this.#say();
    const { name, oldOid, newOid } = command;
    const { signal } = this.#push.conversation;
    if (hasUpdateHook) {
      const call = this.#call('update', { args: [name, oldOid, newOid], signal });
      if ((await this.#hooks?.run(call)) === false) {
        this.#tell(`error: hook declined to update ${name}`);
        return 'hook declined';
      }
    }
    const tree = context.workTrees.get(name);
    if (tree === undefined || context.policy.denyCurrentBranch !== 'updateInstead') return undefined;
    await quarantine.migrate();
    const { onOutput } = this.#call('push-to-checkout', {});
    return await this.#push.repository.updateWorkTree(tree, newOid, { onOutput, signal });
  }

  async #commit(quarantine: Quarantine, commands: readonly RefCommand[]): Promise<void> {
    if (commands.length === 0) return;
    const { request } = this.#push;
    const options: CommitOptions = {
      atomic: this.#atomic,
      pushOptions: request.pushOptions,
      onOutput: this.#call('reference-transaction', {}).onOutput,
      ...(this.#newShallows.length === 0 ? {} : { newShallows: this.#newShallows }),
      ...(this.#certificateBlob === undefined ? {} : { certificate: this.#certificateBlob }),
    };
    const results = await quarantine.commit(commands, options);
    this.verdicts.settle(commands, results, this.#atomic);
    for (const [index, command] of commands.entries()) {
      if (!isZeroOid(command.oldOid) || !isZeroOid(command.newOid)) continue;
      const result = results[index];
      if (result?.status === 'ok' && result.wasCorrupt === true) {
        this.#tell('warning: allowing deletion of corrupt ref');
      } else {
        this.#tell('warning: deleting a non-existent ref');
        this.verdicts.forget(command);
      }
    }
    await this.#say();
  }

  /** The error that `work` ends with, as the client is told; a client that is gone is told nothing. */
  async guarded(work: () => Promise<void>): Promise<PackhorseError | undefined> {
    const { conversation, options, writer } = this.#push;
    const { keepAliveMs = options.settings.keepAliveMs } = this.#push.repository.receivePolicy;
    using _silence = new KeepAlive(writer, options.clock, keepAliveMs);
    try {
      await work();
      return undefined;
    } catch (thrown) {
      if (conversation.signal.aborted || hasCode(thrown, 'cancelled')) throw thrown;
      const failure = toPackhorseError(thrown);
      options.log.info('push failed', { error: failure });
      return failure;
    }
  }
}

async function* chunks(lines: Iterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let gathered = '';
  for (const line of lines) {
    gathered += line;
    if (gathered.length < 32_768) continue;
    yield Buffer.from(gathered);
    gathered = '';
  }
  if (gathered !== '') yield Buffer.from(gathered);
}
