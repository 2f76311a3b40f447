import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { ByteSink, ByteStream } from '#base';
import type { HookCall, HookName, HookRunner } from '#wire';
import { GitProcess } from '../process/git-process.ts';
import type { ConfigValues } from '../repository-config.ts';
import type { Storage } from '../storage.ts';
import { hasErrno } from '../volume/disk.ts';
import { hookEnvironment } from './environment.ts';

export interface RepositoryHooksOptions {
  /** Absolute path of the repository directory: where hooks run. */
  readonly gitDir: string;
  readonly config: ConfigValues;
  /** What the door knows of the one who pushes, as a web server or sshd would say it. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Joins standard output to standard error, and hands both on through real pipes: a hook may open
 * `/dev/stdin` or `/dev/stderr`, which is not possible with the sockets that a child of ours has.
 * Ends with the hook's own status. `$0` is the hook.
 */
const joining = (hook: string): string => `exec 4>&1; exit "$( { ${hook} | cat >&4 3>&-; } 3>&1 )"`;
const run = '{ "$0" "$@" 2>&1 3>&- 4>&-; echo $? >&3; }';
const scripts = {
  withInput: joining(`cat 3>&- 4>&- | ${run}`),
  withoutInput: joining(`${run} </dev/null`),
} as const;

/** The hooks of one repository (githooks), run as git-receive-pack runs them, for one push. */
export class RepositoryHooks implements HookRunner {
  readonly #storage: Storage;
  readonly #options: RepositoryHooksOptions;
  /** Hooks that the user was told of that they were passed over. */
  readonly #advised = new Set<HookName>();

  constructor(storage: Storage, options: RepositoryHooksOptions) {
    this.#storage = storage;
    this.#options = options;
  }

  async has(name: HookName): Promise<boolean> {
    return (await this.#state(name)) !== 'missing';
  }

  async run(call: HookCall): Promise<boolean> {
    if (!(await this.#isReady(call))) return true;
    const script = call.input === undefined ? scripts.withoutInput : scripts.withInput;
    await using running = new GitProcess({
      binary: '/bin/sh',
      args: ['-c', script, this.#path(call.name), ...(call.args ?? [])],
      environment: await this.#environment(call),
      cwd: this.#options.gitDir,
      stdin: call.input === undefined ? 'ignore' : 'pipe',
      stdout: 'pipe',
      signal: call.signal,
      timeoutMs: this.#storage.settings.hookTimeoutMs,
      // What is wrong with starting it.
      onStderr: (text) => void call.onOutput(text),
    });
    const feeding = call.input === undefined ? undefined : running.feed(call.input);
    try {
      for await (const text of running.stdout) await call.onOutput(text as Buffer);
    } catch (error) {
      // The pipe is cut when the hook is stopped; its exit says the rest.
      if (!hasErrno(error, 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
    }
    await feeding;
    return await this.#succeeded(call, running);
  }

  async converse<Result>(
    call: Omit<HookCall, 'input'>,
    talk: (input: ByteStream, output: ByteSink) => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly succeeded: boolean } | undefined> {
    if (!(await this.#isReady(call))) return undefined;
    await using running = new GitProcess({
      binary: this.#path(call.name),
      args: call.args ?? [],
      environment: await this.#environment(call),
      cwd: this.#options.gitDir,
      stdin: 'pipe',
      stdout: 'pipe',
      signal: call.signal,
      timeoutMs: this.#storage.settings.hookTimeoutMs,
      onStderr: (text) => void call.onOutput(text),
    });
    const result = await talk(running.stdout, sinkOf(running));
    running.stdin.end();
    running.stdout.destroy();
    return { result, succeeded: await this.#succeeded(call, running) };
  }

  async #succeeded(call: Pick<HookCall, 'name'>, running: GitProcess): Promise<boolean> {
    const exit = await running.exit;
    if (exit.code === 0) return true;
    const { log } = this.#storage;
    log.info('a hook failed', {
      hook: call.name,
      code: exit.code,
      signal: exit.signal,
      stopped: exit.stopped,
    });
    return false;
  }

  #path(name: HookName): string {
    const configured = this.#options.config.last('core.hooksPath');
    if (configured === undefined) return `hooks/${name}`;
    return `${configured.replace(/^~(?=\/)/, process.env['HOME'] ?? '~').replace(/\/+$/, '')}/${name}`;
  }

  async #state(name: HookName): Promise<'executable' | 'ignored' | 'missing'> {
    const path = this.#path(name);
    const absolute = path.startsWith('/') ? path : `${this.#options.gitDir}/${path}`;
    try {
      await access(absolute, constants.X_OK);
      return 'executable';
    } catch (error) {
      if (hasErrno(error, 'EACCES')) return 'ignored';
      return 'missing';
    }
  }

  async #isReady(call: Pick<HookCall, 'name' | 'onOutput'>): Promise<boolean> {
    const state = await this.#state(call.name);
    const advises = !this.#advised.has(call.name) && this.#options.config.bool('advice.ignoredHook', true);
    if (state === 'ignored' && advises) {
      this.#advised.add(call.name);
      const advice =
        `hint: The '${this.#path(call.name)}' hook was ignored because it's not set as executable.\n` +
        'hint: You can disable this warning with `git config advice.ignoredHook false`.\n';
      await call.onOutput(Buffer.from(advice));
    }
    return state === 'executable';
  }

  async #environment(call: Pick<HookCall, 'environment'>): Promise<Record<string, string>> {
    const door = this.#options.environment;
    return hookEnvironment(await this.#storage.git.execPath(), { ...door, ...call.environment });
  }
}

function sinkOf(running: GitProcess): ByteSink {
  return {
    write: (...chunks) =>
      new Promise((resolve, reject) => {
        running.stdin.write(Buffer.concat(chunks), (error) =>
          error === null || error === undefined ? resolve() : reject(error),
        );
      }),
  };
}
