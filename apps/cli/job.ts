import type { Client } from './client.ts';
import { CliError } from './errors.ts';
import { printable, say } from './terminal.ts';

export interface StartedJob {
  readonly id: string;
}

interface JobState {
  readonly state: 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly problems: readonly string[];
  readonly progress: readonly {
    readonly number: number;
    readonly text: string;
    readonly isFinished: boolean;
  }[];
}

export const jobState = `query JobState($id: ID!, $from: Int!) {
  job(id: $id) { state error { code message } problems progress(from: $from) { number text isFinished } }
}`;

/** Fast at first, so that a small import ends at once; then easy on the server. */
const delaysMs = [50, 100, 200, 400] as const;
const longestDelayMs = 700;

/**
 * Shows how a job goes on standard error until it has ended. Returns what a verification found.
 * Throws a CliError with the reason when it failed.
 */
export async function followJob(
  client: Client,
  { id }: StartedJob,
  what: string,
): Promise<readonly string[]> {
  const interrupted = (): void => {
    say(`\nThe ${what} goes on on the server.`);
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  const progress = new ProgressLines();
  try {
    for (let turn = 0; ; turn += 1) {
      const { job } = await client.ask<{ job: JobState | null }>(jobState, { id, from: progress.next });
      if (job === null) {
        throw new CliError('aborted', `The server forgot the ${what}, probably because it was restarted.`);
      }
      progress.show(job.progress);
      if (job.state === 'SUCCEEDED') return job.problems;
      if (job.state === 'FAILED') {
        throw new CliError(job.error?.code ?? 'internal', job.error?.message ?? `The ${what} failed.`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, delaysMs[turn] ?? longestDelayMs);
      });
    }
  } finally {
    progress.end();
    process.removeListener('SIGINT', interrupted);
  }
}

/** Lines as the server has them; on a terminal the last one is rewritten in place. */
class ProgressLines {
  /** The first line that is not finished yet. */
  next = 0;
  #hasOpenLine = false;

  show(lines: JobState['progress']): void {
    for (const line of lines) {
      const text = printable(line.text).trimEnd();
      if (line.isFinished) {
        this.#clear();
        say(text);
        this.next = line.number + 1;
      } else if (process.stderr.isTTY) {
        this.#clear();
        process.stderr.write(text.slice(0, (process.stderr.columns || 80) - 1));
        this.#hasOpenLine = true;
      }
    }
  }

  end(): void {
    if (this.#hasOpenLine) process.stderr.write('\n');
  }

  #clear(): void {
    if (this.#hasOpenLine) process.stderr.write('\r\u001b[K');
    this.#hasOpenLine = false;
  }
}
