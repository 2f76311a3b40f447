import { raw } from 'hono/html';
import { LRUCache } from 'lru-cache';
import { Piscina } from 'piscina';
import type { Log, Oid, Settings } from '#base';
import type { Markup } from '../layout.ts';
import { plainCode } from './code.ts';
import { escapeHtml } from './escape.ts';
import type { DocumentPlace } from './markdown.ts';

/** A file of a repository: its id says what it holds, so what was made of it never goes stale. */
export interface Source {
  readonly oid: Oid;
  readonly text: string;
}

/**
 * Markdown and highlighting in a worker thread, since the event loop belongs to everybody; what
 * was rendered is kept. A document that takes too long, or comes while too many wait, is shown as
 * plain text.
 */
export class Renderer {
  readonly #pool: Piscina;
  readonly #timeoutMs: number;
  readonly #log: Log;
  readonly #rendered: LRUCache<string, string>;

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
    this.#rendered = new LRUCache({
      maxSize: Math.max(1, settings.renderCacheBytes),
      // At worst two bytes a character, and the key.
      sizeCalculation: (markup, key) => 2 * (markup.length + key.length),
    });
  }

  async markdown({ oid, text }: Source, place: DocumentPlace): Promise<Markup> {
    const key = `markdown\n${oid}\n${JSON.stringify(place)}`;
    const rendered = await this.#render('markdown', key, { text, place });
    return raw(rendered ?? `<pre>${escapeHtml(text)}</pre>`);
  }

  /** The rows of a table: number and line. */
  async code({ oid, text }: Source, fileName: string): Promise<Markup> {
    const rendered = await this.#render('code', `code\n${oid}\n${fileName}`, { text, fileName });
    return raw(rendered ?? plainCode(text));
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #render(name: 'markdown' | 'code', key: string, task: unknown): Promise<string | undefined> {
    const known = this.#rendered.get(key);
    if (known !== undefined) return known;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const rendered = (await this.#pool.run(task, { name, signal })) as string;
      this.#rendered.set(key, rendered);
      return rendered;
    } catch (error) {
      this.#log.warn('a document is shown as plain text because it could not be rendered', {
        error,
        task: name,
      });
      return undefined;
    }
  }
}
