import { type Oid, PackhorseError } from '#base';
import type { GitProcess } from '../process/git-process.ts';
import type { GitRunner } from '../process/git-runner.ts';
import { type CatFileAnswer, CatFileDecoder } from './cat-file-protocol.ts';
import {
  ambiguousPrefix,
  type ObjectHeader,
  objectTooLarge,
  type RawObject,
  type RawObjects,
} from './raw.ts';

interface Waiting {
  resolve(answer: CatFileAnswer): void;
  reject(error: unknown): void;
}

export interface CatFileOptions {
  readonly git: GitRunner;
  readonly gitDir: string;
  readonly maxObjectBytes: number;
}

/**
 * Objects through one `git cat-file --batch-command` that is started with the first question and
 * kept alive: for what libgit2 cannot do (sizes without contents, SHA-256 repositories). Questions
 * are pipelined. When the process ends, those under way fail and the next one starts another.
 */
export class CatFileObjects implements RawObjects {
  readonly #options: CatFileOptions;
  #session: Session | undefined;
  #closed = false;

  constructor(options: CatFileOptions) {
    this.#options = options;
  }

  async header(oid: Oid): Promise<ObjectHeader | undefined> {
    const { line } = await this.#ask('info', oid, 0);
    return line.answer === 'object' ? { kind: line.kind, sizeBytes: line.sizeBytes } : undefined;
  }

  async read(oid: Oid): Promise<RawObject | undefined> {
    const { maxObjectBytes } = this.#options;
    const { line, bytes } = await this.#ask('contents', oid, maxObjectBytes);
    if (line.answer !== 'object') return undefined;
    if (bytes === undefined) throw objectTooLarge(oid, maxObjectBytes);
    return { kind: line.kind, bytes };
  }

  async existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const found = new Set<Oid>();
    // So many at once: enough to keep git busy, few enough to keep the pipe short.
    for (let at = 0; at < oids.length; at += 1024) {
      const batch = oids.slice(at, at + 1024);
      const answers = await Promise.all(batch.map((oid) => this.header(oid)));
      answers.forEach((header, index) => {
        const oid = batch[index];
        if (header !== undefined && oid !== undefined) found.add(oid);
      });
    }
    return found;
  }

  async expand(prefix: string): Promise<Oid | undefined> {
    const { line } = await this.#ask('info', prefix, 0);
    if (line.answer === 'ambiguous') throw ambiguousPrefix(prefix);
    // A ref may be called like this, too; what it names is no expansion then.
    return line.answer === 'object' && line.oid.startsWith(prefix) ? line.oid : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#session?.[Symbol.asyncDispose]();
  }

  /** `name` is always hexadecimal here, so it cannot hold a line break or another command. */
  #ask(command: 'info' | 'contents', name: string, maxBytes: number): Promise<CatFileAnswer> {
    if (this.#closed) return Promise.reject(closed());
    if (!/^[0-9a-f]+$/.test(name)) {
      return Promise.reject(new PackhorseError('invalid_argument', 'This is not an object id.'));
    }
    if (this.#session === undefined || this.#session.ended) this.#session = new Session(this.#options);
    return this.#session.ask(command, name, maxBytes);
  }
}

function closed(cause?: unknown): PackhorseError {
  return new PackhorseError('unavailable', 'The repository was closed. Try again.', { cause });
}

/** One run of the process. */
class Session implements AsyncDisposable {
  ended = false;
  readonly #process: GitProcess;
  readonly #decoder = new CatFileDecoder();
  readonly #waiting: Waiting[] = [];

  constructor(options: CatFileOptions) {
    this.#process = options.git.start(
      // It lives until it is disposed; what limits it is the pool that owns it.
      { gitDir: options.gitDir, args: ['cat-file', '--batch-command'], timeoutMs: 2 ** 31 - 1 },
      { stdin: 'pipe', stdout: 'pipe' },
    );
    this.#process.stdout.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#process.exit.then(
      (exit) =>
        this.#end(
          new PackhorseError('internal', 'A git process on the server failed.', { metadata: { ...exit } }),
        ),
      (error: unknown) => this.#end(error),
    );
  }

  ask(command: 'info' | 'contents', name: string, maxBytes: number): Promise<CatFileAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<CatFileAnswer>();
    this.#waiting.push({ resolve, reject });
    this.#decoder.expect({ contents: command === 'contents', maxBytes });
    this.#process.stdin.write(`${command} ${name}\n`);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(closed());
    await this.#process[Symbol.asyncDispose]();
  }

  #received(chunk: Buffer): void {
    try {
      for (const answer of this.#decoder.feed(chunk)) this.#waiting.shift()?.resolve(answer);
    } catch (error) {
      this.#end(error);
      this.#process.stop('disposed');
    }
  }

  #end(error: unknown): void {
    this.ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
