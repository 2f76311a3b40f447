import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, startProcess, type RunningProcess, type RunOptions, type RunResult } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';

/** The real `git` of the machine, with nothing of the machine's own configuration. */

export interface GitOptions extends Omit<RunOptions, 'env'> {
  /** Added to the clean environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const config = `[init]
	defaultBranch = main
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	detachedHead = false
[protocol "file"]
	allow = always
[protocol "ext"]
	allow = never
[user]
	name = Test Person
	email = person@example.org
`;

let home: string | undefined;

/** A home directory without keys, known hosts or credentials, made on first use. */
export function cleanHome(): string {
  if (home === undefined) {
    home = temporaryDirectory('home');
    mkdirSync(join(home, '.ssh'), { mode: 0o700 });
    writeFileSync(join(home, '.gitconfig'), config);
  }
  return home;
}

/** What git and other clients see: a clean home, no prompts, English messages, fixed people and dates. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: cleanHome(),
    XDG_CONFIG_HOME: join(cleanHome(), '.config'),
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_DATE: '1700000000 +0000',
    GIT_COMMITTER_DATE: '1700000000 +0000',
    NO_PROXY: '127.0.0.1,localhost',
    ...extra,
  };
}

function optionsFor(options: GitOptions): RunOptions {
  return { ...options, env: cleanEnvironment(options.env) };
}

/** Runs git whatever its exit code. */
export function tryGit(args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
  return run('git', args, optionsFor(options));
}

/** Runs git, which must succeed; returns its standard output without the last newline. */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const result = await tryGit(args, options);
  if (result.code !== 0) {
    throw new Error(`git ${args.join(' ')} ended with ${result.signal ?? result.code}:\n${result.stderr}`);
  }
  return result.stdout.toString().replace(/\n$/, '');
}

/** Runs git, which must fail; returns what it wrote on standard error and output, as a user sees it. */
export async function gitFails(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const result = await tryGit(args, options);
  if (result.code === 0) {
    throw new Error(
      `git ${args.join(' ')} succeeded, but must not:\n${result.stderr}${result.stdout.toString()}`,
    );
  }
  return result.stderr + result.stdout.toString();
}

/** Starts git and leaves it running, for tests that kill it. */
export function startGit(
  args: readonly string[],
  options: Omit<GitOptions, 'input' | 'timeoutMs'> = {},
): RunningProcess {
  return startProcess('git', args, { ...options, env: cleanEnvironment(options.env) });
}

/** All refs of a local repository with what they name, HEAD and peeled tags included, sorted: equal text means equal refs. */
export async function refsOf(repository: string): Promise<string> {
  const refs = await tryGit(['show-ref', '--head', '--dereference'], { cwd: repository });
  const head = await tryGit(['symbolic-ref', 'HEAD'], { cwd: repository });
  return `${head.stdout.toString()}${refs.stdout.toString()}`;
}

/** Full integrity check of a local repository; fails with what git found. */
export async function fsck(repository: string): Promise<void> {
  const result = await tryGit(['fsck', '--full', '--strict', '--no-dangling', '--no-progress'], {
    cwd: repository,
  });
  const said = `${result.stderr}${result.stdout.toString()}`.trim();
  if (result.code !== 0 || said !== '') throw new Error(`git fsck of ${repository} found:\n${said}`);
}

/** Writes files (path to content) into a work tree and commits them; returns the new commit's id. */
export async function commitFiles(
  workTree: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  message = 'Change files',
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    const target = join(workTree, path);
    mkdirSync(join(target, '..'), { recursive: true });
    writeFileSync(target, content);
  }
  await git(['add', '--all'], { cwd: workTree });
  await git(['commit', '--quiet', '--allow-empty', '--message', message], { cwd: workTree });
  return git(['rev-parse', 'HEAD'], { cwd: workTree });
}

/** A new work tree on branch `main` with one commit. */
export async function newWorkTree(purpose = 'work'): Promise<string> {
  const path = join(temporaryDirectory(purpose), 'work');
  await git(['init', '--quiet', path]);
  await commitFiles(path, { 'README.md': '# A repository\n' }, 'Begin');
  return path;
}
