import { availableParallelism } from 'node:os';
import { type ByteStream, PackhorseError, hasCode } from '#base';
import type { GitExit } from '../process/git-process.ts';
import { diskFull, gitFailure } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';
import { sortFsckRules } from './fsck-rules.ts';

/** How an incoming pack is examined. */
export type PackChecks =
  /** Every object is well-formed (git-fsck) and everything it names exists. */
  | {
      readonly kind: 'fsck';
      /** As in `receive.fsck.*`, such as `missingemail=warn`. */
      readonly rules: readonly string[];
      /** The rules are not ours: whether they make sense is for git to say, with every pack. */
      readonly configured: boolean;
    }
  /** Everything that objects name exists. */
  | { readonly kind: 'links' }
  /** Only that the pack itself is sound. */
  | { readonly kind: 'pack' };

export interface IndexPackRequest {
  readonly gitDir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly pack: ByteStream;
  readonly checks: PackChecks;
  readonly maxPackBytes: number;
  readonly onProgress?: ((text: Uint8Array) => void) | undefined;
  /** Gets warnings and errors where no progress is shown. */
  readonly onMessage?: ((text: Uint8Array) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Larger blobs that are no deltas are hashed piece by piece, whatever the repository's own config says. */
const streamedBlobBytes = 32 * 1024 * 1024;

/** Each thread holds a chain of delta bases in memory, and more than a few no longer make it faster. */
const threads = Math.min(availableParallelism(), 4);

/**
 * Indexes a pack as it arrives (git-index-pack). Resolves to whether it is self-contained: with
 * checks of links, whether it names nothing outside itself. Throws what the pusher is to read.
 */
export async function indexPack(
  storage: Storage,
  request: IndexPackRequest,
): Promise<{ readonly selfContained: boolean }> {
  const tell = request.onProgress ?? request.onMessage;
  const { known, unknown } = await sortFsckRules(
    storage,
    request.gitDir,
    request.checks.kind === 'fsck' ? request.checks.rules : [],
  );
  for (const id of unknown) tell?.(Buffer.from(`warning: skipping unknown msg id '${id}'\n`));
  await using running = storage.git.start(
    {
      gitDir: request.gitDir,
      // A list of objects to let pass may be named by a path in the repository.
      cwd: request.gitDir,
      args: indexArguments(request, known),
      environment: request.environment,
      // What is written here is made durable when it moves in, and not twice.
      config: {
        'pack.threads': String(threads),
        'core.fsync': 'none',
        'core.bigFileThreshold': String(streamedBlobBytes),
      },
      maxMemoryBytes: storage.settings.maxIndexerMemoryBytes,
      signal: request.signal,
      ...(tell === undefined ? {} : { onStderr: (bytes) => tell(bytes) }),
    },
    { stdin: 'pipe', stdout: 'ignore' },
  );
  await running.feed(request.pack);
  const exit = await running.exit;
  if (exit.code === 0) return { selfContained: request.checks.kind === 'links' };
  // Exit code 1 without a word: sound, but not self-contained.
  if (exit.code === 1 && request.checks.kind === 'links' && !exit.stderr.includes('fatal:'))
    return { selfContained: false };
  throw indexFailure(exit, request.maxPackBytes, storage.settings.maxIndexerMemoryBytes);
}

function indexArguments(request: IndexPackRequest, rules: readonly string[]): string[] {
  const { checks } = request;
  const checking =
    checks.kind === 'fsck'
      ? [rules.length === 0 ? '--strict' : `--strict=${rules.join(',')}`]
      : checks.kind === 'links'
        ? ['--check-self-contained-and-connected']
        : [];
  return [
    'index-pack',
    '--stdin',
    '--fix-thin',
    ...checking,
    `--max-input-size=${request.maxPackBytes}`,
    ...(request.onProgress === undefined ? [] : ['--show-resolving-progress']),
  ];
}

/** What index-pack writes to standard error, the most telling first, and how it is said to the pusher. */
const explanations: readonly (readonly [pattern: RegExp, explain: (match: RegExpExecArray) => string])[] = [
  [
    /object ([0-9a-f]{40,64}): ([a-zA-Z0-9]+): ([^\n]*)/,
    ([, oid, flaw, detail]) => `object ${oid}: ${flaw}: ${detail}`,
  ],
  [/early EOF/, () => 'the pack is truncated (early EOF)'],
  [
    /pack has (\d+) unresolved deltas?/,
    ([, count]) => `the pack is incomplete: ${count} deltas have no base`,
  ],
  [/(?:fatal|error): ([^\n]+)/, ([, text]) => text ?? ''],
];

/** git's own words (`xmalloc`, `git_inflate_init`), those of the C library, and of a thread that could not be started. */
const outOfMemory = /out of memory|cannot allocate memory|unable to create (?:\w+ )?thread/i;

/** The error for a pack that index-pack refused, in words for the person who pushes. */
export function indexFailure(exit: GitExit, maxPackBytes: number, maxMemoryBytes: number): PackhorseError {
  if (exit.stopped !== undefined) return gitFailure('index-pack', exit);
  const failure = gitFailure('index-pack', exit);
  if (hasCode(failure, 'resource_exhausted')) return diskFull(failure);
  if (/pack exceeds maximum allowed size/.test(exit.stderr)) {
    return new PackhorseError(
      'resource_exhausted',
      `pack exceeds maximum allowed size (${maxPackBytes} bytes)`,
    );
  }
  if (outOfMemory.test(exit.stderr)) {
    return new PackhorseError(
      'resource_exhausted',
      `the pack needs more memory than the server allows (${maxMemoryBytes} bytes)`,
      { metadata: { stderr: exit.stderr.slice(-500) } },
    );
  }
  // A signal that we did not send: out of memory, or an operator.
  if (exit.code === undefined) return failure;
  for (const [pattern, explain] of explanations) {
    const match = pattern.exec(exit.stderr);
    if (match !== null) {
      return new PackhorseError('invalid_argument', explain(match), {
        metadata: { stderr: exit.stderr.slice(-500) },
      });
    }
  }
  return failure;
}
