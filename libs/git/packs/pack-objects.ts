import { hookEnvironment } from '../hooks/environment.ts';
import { gitEnvironment } from '../process/environment.ts';
import { GitProcess } from '../process/git-process.ts';
import type { GitCommand } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';

/** One `git pack-objects`, and the hook that is run in its place. */
export interface PackObjectsCommand extends Pick<GitCommand, 'gitDir' | 'args' | 'onStderr' | 'signal'> {
  /** A command for the shell, which is given `git` and `args` as further arguments (git-config(1), `uploadpack.packObjectsHook`). */
  readonly hook: string | undefined;
}

const streams = { stdin: 'pipe', stdout: 'pipe' } as const;

/** Starts it with the config of the operator and of the repository; dispose it. */
export async function startPackObjects(storage: Storage, command: PackObjectsCommand): Promise<GitProcess> {
  const { hook, gitDir, args, onStderr, signal } = command;
  const configFiles = storage.operatorConfig?.environment;
  if (hook === undefined) return storage.git.start({ gitDir, args, onStderr, signal, configFiles }, streams);
  return new GitProcess({
    binary: '/bin/sh',
    args: ['-c', `${hook} "$@"`, hook, 'git', ...args],
    environment: hookEnvironment(await storage.git.execPath(), hookVariables()),
    // As under upload-pack, which has gone there.
    cwd: gitDir,
    ...streams,
    onStderr,
    signal,
    timeoutMs: storage.settings.gitTimeoutMs,
  });
}

/** What keeps the config of the repository from running anything in the hook's git. */
function hookVariables(): Record<string, string> {
  const { GIT_NO_LAZY_FETCH = '1', ...clean } = gitEnvironment('.');
  const forced = Object.entries(clean).filter(([name]) => /^GIT_CONFIG_(?:COUNT|KEY_|VALUE_)/.test(name));
  return { ...Object.fromEntries(forced), GIT_NO_LAZY_FETCH };
}
