import { type ByteStream, PackhorseError, hasCode } from '#base';
import type { GitExit } from '../process/git-process.ts';
import { diskFull, gitFailure } from '../process/git-runner.ts';
import type { Storage } from '../storage.ts';

/** How an incoming pack is examined. */
export type PackChecks =
  /** Every object is well-formed (git-fsck) and everything it names exists. Holds severities as in `receive.fsck.*`. */
  | { readonly kind: 'fsck'; readonly severities: string }
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
  readonly signal: AbortSignal;
}

/**
 * Indexes a pack as it arrives (git-index-pack). Resolves to whether it is self-contained: with
 * checks of links, whether it names nothing outside itself. Throws what the pusher is to read.
 */
export async function indexPack(
  storage: Storage,
  request: IndexPackRequest,
): Promise<{ readonly selfContained: boolean }> {
  const { onProgress } = request;
  await using running = storage.git.start(
    {
      gitDir: request.gitDir,
      args: indexArguments(request),
      environment: request.environment,
      signal: request.signal,
      ...(onProgress === undefined ? {} : { onStderr: (bytes) => onProgress(bytes) }),
    },
    { stdin: 'pipe', stdout: 'ignore' },
  );
  await running.feed(request.pack);
  const exit = await running.exit;
  if (exit.code === 0) return { selfContained: request.checks.kind === 'links' };
  // Exit code 1 without a word: sound, but not self-contained.
  if (exit.code === 1 && request.checks.kind === 'links' && !exit.stderr.includes('fatal:'))
    return { selfContained: false };
  throw indexFailure(exit, request.maxPackBytes);
}

function indexArguments(request: IndexPackRequest): string[] {
  const { checks } = request;
  const checking =
    checks.kind === 'fsck'
      ? [checks.severities === '' ? '--strict' : `--strict=${checks.severities}`]
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

const explanations: readonly (readonly [pattern: RegExp, explain: (match: RegExpExecArray) => string])[] = [
  [/early EOF/, () => 'the pack is truncated (early EOF)'],
  [/pack has (\d+) unresolved deltas?/, (match) => `the pack is incomplete: ${match[1]} deltas have no base`],
  [/fsck error in (?:packed object|pack objects?)/, () => 'the pack contains broken objects'],
  [
    /(?:object|error in) ([0-9a-f]{40,64}): ([a-zA-Z0-9]+): ([^\n]*)/,
    (match) => `object ${match[1]}: ${match[2]}: ${match[3]}`,
  ],
  [
    /(?:object of unexpected type|did not receive expected object|missing object|Broken link|unable to read)[^\n]*/i,
    (match) => match[0],
  ],
  [/(?:pack signature mismatch|pack version \d+ unsupported)/, (match) => match[0]],
  [/fatal: ([^\n]+)/, (match) => match[1] ?? ''],
  [/error: ([^\n]+)/, (match) => match[1] ?? ''],
];

/** The error for a pack that index-pack refused, in words for the person who pushes. */
export function indexFailure(exit: GitExit, maxPackBytes: number): PackhorseError {
  if (exit.stopped !== undefined) return gitFailure('index-pack', exit);
  const failure = gitFailure('index-pack', exit);
  if (hasCode(failure, 'resource_exhausted')) return diskFull(failure);
  if (/pack exceeds maximum allowed size/.test(exit.stderr)) {
    return new PackhorseError(
      'resource_exhausted',
      `pack exceeds maximum allowed size (${maxPackBytes} bytes)`,
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
