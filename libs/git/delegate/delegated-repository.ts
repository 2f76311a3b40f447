import { type ByteStream, PackhorseError } from '#base';
import type { Conversation } from '#wire';
import type { Pusher } from '../agent.ts';
import type { GitExit } from '../process/git-process.ts';
import { gitFailure } from '../process/git-runner.ts';
import { RepositoryConfig } from '../repository-config.ts';
import type { Storage } from '../storage.ts';

/** A conversation that a `git` process can have by itself. */
export type DelegatedService = 'upload-pack' | 'receive-pack' | 'upload-archive';

/**
 * A repository that our code does not understand while git may: a linked work tree, refs in another
 * storage, an extension of a newer git. Whole conversations are handed to `git upload-pack` and its
 * like, in the same clean environment as every git process here: no config that runs code, and hooks
 * only on request.
 */
export class DelegatedRepository {
  readonly #storage: Storage;
  readonly #gitDir: string;
  readonly #runHooks: boolean;
  readonly #config: RepositoryConfig;

  constructor(storage: Storage, gitDir: string, options: { readonly runHooks: boolean }) {
    this.#storage = storage;
    this.#runHooks = options.runHooks;
    this.#gitDir = gitDir;
    this.#config = new RepositoryConfig(storage, gitDir);
  }

  /** The last value of a key in the repository's config; undefined when unset, or when git cannot read it. */
  async configValue(key: string): Promise<string | undefined> {
    return (await this.#config.values().catch(() => undefined))?.last(key);
  }

  /** What a stateless client reads first; in a dialogue `serve` says it. */
  async advertise(service: DelegatedService, conversation: Conversation, pusher: Pusher): Promise<void> {
    if (!conversation.stateless) return;
    await this.#run([service, '--stateless-rpc', '--advertise-refs'], conversation, pusher);
  }

  /** One request, or the whole dialogue. Throws `failed_precondition`, with git's words, when git refuses the repository. */
  async serve(service: DelegatedService, conversation: Conversation, pusher: Pusher): Promise<void> {
    const stateless = conversation.stateless && service !== 'upload-archive' ? ['--stateless-rpc'] : [];
    await this.#run([service, ...stateless], conversation, pusher, conversation.input);
  }

  async #run(
    args: readonly string[],
    conversation: Conversation,
    pusher: Pusher,
    input?: ByteStream,
  ): Promise<void> {
    const { signal, output } = conversation;
    using _lease = await this.#storage.producers.acquire(signal);
    await using running = this.#storage.git.start(
      {
        gitDir: this.#gitDir,
        args: [...args, this.#gitDir],
        // A command of the config that receive-pack would run; this one says that there is nothing.
        config: { 'core.alternateRefsCommand': 'true' },
        environment: this.#environment(conversation, pusher),
        configFiles: this.#storage.operatorConfig?.environment,
        runHooks: this.#runHooks,
        signal,
      },
      { stdin: input === undefined ? 'ignore' : 'pipe', stdout: 'pipe' },
    );
    const fed = input === undefined ? undefined : running.feed(input).catch(() => undefined);
    let hasAnswered = false;
    for await (const chunk of running.output()) {
      hasAnswered = true;
      await output.write(chunk);
    }
    const exit = await running.exit;
    await fed;
    this.#checkExit(args[0], exit, hasAnswered);
  }

  #environment({ version }: Conversation, pusher: Pusher): Record<string, string> {
    const namespace = this.#storage.namespace.replaceAll('refs/namespaces/', '').replace(/\/$/, '');
    return {
      ...pusher.environment,
      GIT_COMMITTER_NAME: pusher.name,
      GIT_COMMITTER_EMAIL: pusher.email,
      ...(version === 0 ? {} : { GIT_PROTOCOL: `version=${version}` }),
      ...(namespace === '' ? {} : { GIT_NAMESPACE: namespace }),
    };
  }

  /** Git tells the client itself what is wrong with a request, but not what is wrong with the repository. */
  #checkExit(service: string | undefined, exit: GitExit, hasAnswered: boolean): void {
    if (exit.stopped !== undefined) throw gitFailure(service, exit);
    if (exit.code === 0) return;
    const fatal = /^fatal: (.*)$/ms.exec(exit.stderr)?.[1]?.trim();
    if (hasAnswered || fatal === undefined) {
      this.#storage.log.info('git ended a conversation', { service, stderr: exit.stderr.slice(-500) });
      if (hasAnswered) return;
    }
    throw new PackhorseError(
      'failed_precondition',
      fatal?.replaceAll(/\s+/g, ' ') ?? 'The repository cannot be read.',
    );
  }
}
