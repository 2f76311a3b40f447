import { gitFailure } from '../process/git-runner.ts';
import type { ReadContext } from './context.ts';

/**
 * The standard output of a git command, chunk by chunk as it is read: the process goes only as
 * fast. Leaving the loop stops it. Throws at the end when git failed, and `deadline_exceeded` when
 * it took too long.
 */
export async function* gitOutput(
  context: Pick<ReadContext, 'git' | 'gitDir' | 'settings' | 'signal'>,
  args: readonly string[],
  options: { readonly config?: Readonly<Record<string, string>>; readonly timeoutMs?: number } = {},
): AsyncGenerator<Buffer, void, undefined> {
  const { git, gitDir, settings, signal } = context;
  await using running = git.start(
    {
      gitDir,
      args,
      signal,
      timeoutMs: options.timeoutMs ?? settings.readTimeoutMs,
      config: options.config ?? {},
    },
    { stdin: 'ignore', stdout: 'pipe' },
  );
  const chunks = running.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    // A process that was stopped ends its stream with an error; its exit says it better.
    const next = await chunks.next().catch(() => undefined);
    if (next === undefined || next.done === true) break;
    yield next.value;
  }
  const exit = await running.exit;
  if (exit.code !== 0) throw gitFailure(args[0], exit);
}

/** Cuts chunks into lines (without their end), wherever the chunks fall; a last line without an end counts. */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  options: { readonly maxLineBytes: number; readonly onOverlong?: () => void },
): AsyncGenerator<readonly Buffer[], void, undefined> {
  let pieces: Buffer[] = [];
  let pieceBytes = 0;
  for await (const chunk of chunks) {
    const lines: Buffer[] = [];
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, at)) {
      const piece = chunk.subarray(at, end);
      lines.push(pieces.length === 0 ? piece : Buffer.concat([...pieces, piece]));
      pieces = [];
      pieceBytes = 0;
      at = end + 1;
    }
    if (at < chunk.length) {
      pieces.push(chunk.subarray(at));
      pieceBytes += chunk.length - at;
    }
    yield lines;
    if (pieceBytes > options.maxLineBytes) {
      options.onOverlong?.();
      return;
    }
  }
  if (pieces.length > 0) yield [Buffer.concat(pieces)];
}
