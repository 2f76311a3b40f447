import type { Oid } from '#base';
import type { PackPart, PackRequest } from '#wire';
import type { ObjectReader } from '../object-reader.ts';
import type { GitExit } from '../process/git-process.ts';
import { PackhorseError } from '#base';
import { gitFailure } from '../process/git-runner.ts';
import { lines } from '../process/lines.ts';
import type { Storage } from '../storage.ts';
import { withPackfileUris } from './packfile-uris.ts';
import { startPackObjects } from './pack-objects.ts';
import { PartQueue } from './part-queue.ts';

export interface PackSource {
  readonly gitDir: string;
  /** What is run in place of `git pack-objects`, see `PackObjectsCommand`. */
  readonly packObjectsHook: () => Promise<string | undefined>;
  readonly commitNode: ObjectReader['commitNode'];
  /** The repository's own shallow commits. */
  readonly shallows: () => Promise<ReadonlySet<Oid>>;
}

/**
 * Produces one pack with `git pack-objects`, as the reader takes it. Leaving the loop or aborting
 * `signal` stops the process. Throws `unavailable` when too many are waiting for a producer.
 */
export async function* producePack(
  storage: Storage,
  source: PackSource,
  request: PackRequest,
  signal: AbortSignal,
): AsyncGenerator<PackPart, void, undefined> {
  const input = await revisionInput(source, request);
  using _lease = await storage.producers.acquire(signal);
  const parts = new PartQueue();
  await using running = await startPackObjects(storage, {
    hook: await source.packObjectsHook(),
    gitDir: source.gitDir,
    args: packArguments(request, input.isShallow),
    signal,
    // Without progress, too: what git complains of says why there is no pack.
    onStderr: (bytes) => parts.pushProgress(bytes),
  });
  running.stdin.end(input.text);
  const output = parts.take(running.stdout);
  yield* request.uriProtocols === undefined ? output : withPackfileUris(output);
  // Standard error may end after standard output: the last line of progress is there only now.
  const exit = await running.exit;
  yield* parts.rest();
  checkExit(exit);
}

/**
 * A pack of the objects that `input` lists, as `git pack-objects` reads them: an id and perhaps a path,
 * or a commit marked with `-`, against whose objects deltas may be made although they are not in the pack.
 */
export async function* packObjects(
  storage: Storage,
  gitDir: string,
  input: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<PackPart, void, undefined> {
  using _lease = await storage.producers.acquire(signal);
  await using running = await startPackObjects(storage, {
    hook: undefined,
    gitDir,
    args: ['pack-objects', '--stdout', '--delta-base-offset', '-q'],
    signal,
  });
  const feeding = running.feed(lines(input));
  for await (const bytes of running.stdout as AsyncIterable<Buffer>) yield { kind: 'data', bytes };
  await feeding;
  checkExit(await running.exit);
}

function checkExit(exit: GitExit): void {
  if (exit.code === 0 && exit.stopped === undefined) return;
  const failure = gitFailure('pack-objects', exit);
  if (failure.code !== 'internal') throw failure;
  throw new PackhorseError(
    'data_loss',
    'aborting due to possible repository corruption on the remote side.',
    { metadata: failure.metadata },
  );
}

function packArguments(request: PackRequest, isShallow: boolean): string[] {
  return [
    // Only the `--shallow` lines count, as for git's own upload-pack.
    ...(isShallow ? ['--shallow-file', ''] : []),
    'pack-objects',
    '--revs',
    '--stdout',
    ...(request.thinPack ? ['--thin'] : []),
    ...(isShallow ? ['--shallow'] : []),
    request.progress ? '--progress' : '-q',
    ...(request.ofsDelta ? ['--delta-base-offset'] : []),
    ...(request.includeTag ? ['--include-tag'] : []),
    ...(request.allowMissingPromised === true ? ['--missing=allow-promisor'] : []),
    ...(request.filter === undefined ? [] : [`--filter=${request.filter}`]),
    ...(request.uriProtocols ?? []).map((scheme) => `--uri-protocol=${scheme}`),
  ];
}

/**
 * What upload-pack tells pack-objects: shallow points, what is wanted, what is there already.
 * For a commit that stops being shallow its parents are wanted, while the walk still ends at it.
 */
async function revisionInput(
  source: PackSource,
  request: PackRequest,
): Promise<{ readonly text: string; readonly isShallow: boolean }> {
  const parents = new Set<Oid>();
  for (const oid of request.unshallows) {
    for (const parent of (await source.commitNode(oid))?.parents ?? []) parents.add(parent);
  }
  const fromClient = [...request.clientShallows, ...request.newShallows, ...request.unshallows];
  const isShallow = fromClient.length > 0;
  const shallows = isShallow ? new Set([...(await source.shallows()), ...fromClient]) : new Set<Oid>();
  const lines = [
    ...[...shallows].map((oid) => `--shallow ${oid}`),
    ...request.wants,
    ...parents,
    '--not',
    ...request.haves,
    ...request.unshallows,
    '',
  ];
  return { text: `${lines.join('\n')}\n`, isShallow };
}
