import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { UserIdentity } from '#accounts';
import { PackhorseError, zeroOid, type Oid } from '#base';
import { gitFailure, type GitRunner, type LocalAgent } from '#git';
import type { RefCommand } from '#wire';
import { checkImportSource, type ImportSource } from './import-source.ts';

/** How imports are made on this node. */
export interface ImportPolicy {
  readonly runner: GitRunner;
  /** Where a source is copied to before it is pushed; emptied when the node starts. */
  readonly scratchDir: string;
}

export interface ImportTask {
  readonly identity: UserIdentity;
  readonly agent: LocalAgent;
  readonly source: string;
  readonly policy: ImportPolicy;
  readonly onProgress: (text: string) => void;
}

/** A copy of the source, as git fetched it. */
interface Mirror {
  readonly gitDir: string;
  readonly refs: readonly { readonly name: string; readonly oid: Oid }[];
  readonly defaultBranch: string | undefined;
}

/**
 * Imports a repository: git fetches the source beside the volume, then the server pushes that copy
 * to the repository's agent, through the same checks as any other push. Throws `failed_precondition`
 * when the repository already has refs or the source has none, and what a push would throw.
 */
export async function importRepository(task: ImportTask): Promise<void> {
  const source = await checkImportSource(task.source, { trusted: task.identity.isAdmin });
  const receiver = await task.agent.receivePack({ name: task.identity.login, email: task.identity.email });
  if ((await receiver.refs()).refs.length > 0) {
    throw new PackhorseError(
      'failed_precondition',
      'A repository can only be imported into an empty one; this one has refs already.',
    );
  }
  await mkdir(task.policy.scratchDir, { recursive: true });
  const gitDir = await mkdtemp(join(task.policy.scratchDir, 'import-'));
  try {
    const mirror = await fetchMirror(task, source, gitDir);
    await pushMirror(task, mirror);
    if (mirror.defaultBranch !== undefined) await task.agent.setHead(mirror.defaultBranch);
    // Whoever pushes or fetches next needs it; everything else can wait for its time.
    await writeGraph(task);
  } finally {
    await rm(gitDir, { recursive: true, force: true });
  }
}

async function writeGraph({ agent, onProgress }: ImportTask): Promise<void> {
  try {
    await agent.maintain({ onProgress, graphOnly: true });
  } catch {
    // The import itself is complete; the next maintenance says what is wrong.
    onProgress('The commit-graph could not be written now.\n');
  }
}

async function fetchMirror(task: ImportTask, source: ImportSource, gitDir: string): Promise<Mirror> {
  const { runner } = task.policy;
  const receiver = await task.agent.uploadPack();
  await runner.run({
    gitDir,
    args: ['init', '--quiet', '--bare', `--object-format=${receiver.objectFormat}`],
  });
  const decoder = new TextDecoder();
  const fetched = await runner.run({
    gitDir,
    config: source.config,
    args: [
      'fetch',
      // Progress, but not a line for each of perhaps thousands of refs.
      '--quiet',
      '--progress',
      '--no-auto-gc',
      '--no-write-fetch-head',
      '--end-of-options',
      source.address,
      '+refs/*:refs/*',
    ],
    onStderr: (bytes) => task.onProgress(decoder.decode(bytes, { stream: true })),
    okCodes: [0, 128, 1],
  });
  if (fetched.code !== 0) {
    throw new PackhorseError(
      'failed_precondition',
      `The source could not be read: ${lastLine(fetched.stderr)}`,
    );
  }
  const [listing, symref] = await Promise.all([
    runner.run({ gitDir, args: ['for-each-ref', '--format=%(objectname) %(refname)'] }),
    runner.run({
      gitDir,
      config: source.config,
      args: ['ls-remote', '--symref', '--end-of-options', source.address, 'HEAD'],
    }),
  ]);
  const refs = listing.stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.indexOf(' ');
      return { oid: line.slice(0, space), name: line.slice(space + 1) };
    });
  if (refs.length === 0)
    throw new PackhorseError('failed_precondition', 'The source has nothing to import: it is empty.');
  return {
    gitDir,
    refs,
    defaultBranch: /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(symref.stdout.toString())?.[1],
  };
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^(?:fatal|error): /, '') ?? ''
  );
}

async function pushMirror(task: ImportTask, mirror: Mirror): Promise<void> {
  const stop = new AbortController();
  const receiver = await task.agent.receivePack({ name: task.identity.login, email: task.identity.email });
  await using quarantine = await receiver.openQuarantine(stop.signal);
  const decoder = new TextDecoder();
  {
    await using producer = task.policy.runner.start(
      {
        gitDir: mirror.gitDir,
        args: ['pack-objects', '--all', '--stdout', '--delta-base-offset', '--quiet'],
        signal: stop.signal,
      },
      { stdin: 'ignore', stdout: 'pipe' },
    );
    // When a process ends, Node throws away what is left in its pipe unless somebody listens.
    producer.stdout.on('readable', () => undefined);
    await quarantine.receive(producer.stdout, {
      maxPackBytes: receiver.receivePolicy.maxPackBytes,
      onProgress: (text) => task.onProgress(decoder.decode(text, { stream: true })),
      clientShallows: [],
    });
    const exit = await producer.exit;
    if (exit.code !== 0) throw gitFailure('pack-objects', exit);
  }
  const tips = mirror.refs.map((ref) => ref.oid);
  if ((await quarantine.disconnected(tips)).size > 0) {
    throw new PackhorseError('failed_precondition', 'The source lacks objects that its refs need.');
  }
  const zero = zeroOid(receiver.objectFormat);
  const commands: RefCommand[] = mirror.refs.map((ref) => ({
    name: ref.name,
    oldOid: zero,
    newOid: ref.oid,
  }));
  const results = await quarantine.commit(commands, { atomic: true, pushOptions: [] });
  const failed = results.find((result) => result.status === 'rejected');
  if (failed?.status === 'rejected') {
    throw new PackhorseError('aborted', 'The refs of the source could not be created.', {
      metadata: { ref: failed.name, reason: failed.reason },
    });
  }
}
