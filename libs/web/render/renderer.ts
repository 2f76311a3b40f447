import { raw } from 'hono/html';
import { Piscina } from 'piscina';
import type { Log, Settings } from '#base';
import type { Markup } from '../layout.ts';
import { escapeHtml, splitLines, type MarkdownBases } from './markup.ts';

/**
 * Markdown and highlighting in a worker thread, since the event loop belongs to everybody.
 * A document that takes too long, or comes while too many wait, is shown as plain text.
 */
export class Renderer {
  readonly #pool: Piscina;
  readonly #timeoutMs: number;
  readonly #log: Log;

  constructor(settings: Settings['web'], log: Log) {
    this.#pool = new Piscina({
      filename: new URL('worker.ts', import.meta.url).href,
      minThreads: 0,
      maxThreads: settings.renderThreads,
      maxQueue: settings.maxRenderQueue,
      idleTimeout: settings.renderIdleMs,
    });
    this.#timeoutMs = settings.renderTimeoutMs;
    this.#log = log;
  }

  async markdown(text: string, bases: MarkdownBases): Promise<Markup> {
    const rendered = await this.#run<string>('markdown', { text, bases });
    return raw(rendered ?? `<pre>${escapeHtml(text)}</pre>`);
  }

  /** Safe markup, one string a line. */
  async highlight(text: string, fileName: string): Promise<readonly string[]> {
    const lines = await this.#run<readonly string[]>('highlight', { text, fileName });
    return lines ?? splitLines(escapeHtml(text));
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #run<Result>(name: 'markdown' | 'highlight', task: unknown): Promise<Result | undefined> {
    try {
      return (await this.#pool.run(task, { name, signal: AbortSignal.timeout(this.#timeoutMs) })) as Result;
    } catch (error) {
      this.#log.warn('a document is shown as plain text because it could not be rendered', {
        error,
        task: name,
      });
      return undefined;
    }
  }
}
