import { resolve } from 'node:path';
import { cleanEnvironment } from './git.ts';
import { run } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';

/** The command as people start it: found by its name, run by its first line. */
export const packhorse = resolve(import.meta.dirname, '../../apps/cli/packhorse.cjs');

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let emptyDirectory: string | undefined;

/** An environment and a directory in which no server is found unless a test names one. */
export function cliEnvironment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return cleanEnvironment({ ...env });
}

/** Runs `packhorse ARGS`, whatever its exit status. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  emptyDirectory ??= temporaryDirectory('nowhere');
  const { code, stdout, stderr } = await run(packhorse, args, {
    cwd: options.cwd ?? emptyDirectory,
    env: cliEnvironment(options.env),
    ...(options.input !== undefined && { input: options.input }),
  });
  return { code, stdout: stdout.toString(), stderr };
}
