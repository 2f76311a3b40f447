import { once } from 'node:events';
import { startGit } from './git.ts';
import type { RunningProcess } from './processes.ts';

/** An object of the stream, to refer to it later (git-fast-import, "mark"). */
export type Mark = number;

export interface ImportedCommit {
  readonly ref: string;
  readonly message: string;
  readonly parents: readonly Mark[];
  /** Added or changed files: path to blob. */
  readonly files: ReadonlyMap<Buffer, Mark>;
  readonly executable?: readonly Buffer[];
  readonly symlinks?: ReadonlyMap<Buffer, string>;
}

/** Writes a path as git-fast-import reads it: in double quotes, with everything unusual as octal. */
function quoted(path: Buffer): string {
  const text = Array.from(path, (byte) => {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    return plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `"${text.join('')}"`;
}

/** A running `git fast-import`, at the pace at which it reads. */
export class FastImport implements AsyncDisposable {
  readonly #git: RunningProcess;
  #lastMark = 0;
  #seconds = 1_600_000_000;

  constructor(repository: string) {
    // Level 0: what is generated is either tiny or does not compress, and the time is better spent elsewhere.
    const args = ['-c', 'pack.compression=0', 'fast-import', '--quiet', '--done', '--depth=10'];
    this.#git = startGit(args, { cwd: repository });
  }

  async #write(...parts: readonly (string | Uint8Array)[]): Promise<void> {
    const { stdin } = this.#git.child;
    if (stdin === null || !stdin.writable)
      throw new Error(`git fast-import ended early:\n${this.#git.stderr}`);
    let room = true;
    for (const part of parts) room = stdin.write(part);
    if (!room) await Promise.race([once(stdin, 'drain'), this.#git.exited]);
  }

  async blob(content: Uint8Array): Promise<Mark> {
    this.#lastMark += 1;
    await this.#write(`blob\nmark :${this.#lastMark}\ndata ${content.length}\n`, content, '\n');
    return this.#lastMark;
  }

  async commit(commit: ImportedCommit): Promise<Mark> {
    this.#lastMark += 1;
    this.#seconds += 61;
    const mark = this.#lastMark;
    const person = `Ann Author <ann@example.org> ${this.#seconds} +0100`;
    const message = Buffer.from(commit.message);
    const [first, ...merged] = commit.parents;
    const lines = [
      ...(first === undefined ? [] : [`from :${first}`]),
      ...merged.map((parent) => `merge :${parent}`),
      ...[...commit.files].map(([path, blob]) => `M 100644 :${blob} ${quoted(path)}`),
    ];
    await this.#write(
      `commit ${commit.ref}\nmark :${mark}\nauthor ${person}\ncommitter ${person}\ndata ${message.length}\n`,
      message,
      lines.join('\n'),
      '\n',
    );
    for (const path of commit.executable ?? []) {
      await this.#write(`M 100755 inline ${quoted(path)}\ndata 10\n#!/bin/sh\n\n`);
    }
    for (const [path, target] of commit.symlinks ?? []) {
      const bytes = Buffer.from(target);
      await this.#write(`M 120000 inline ${quoted(path)}\ndata ${bytes.length}\n`, bytes, '\n');
    }
    await this.#write('\n');
    return mark;
  }

  /** Points a ref at a commit. */
  async reset(ref: string, commit: Mark): Promise<void> {
    await this.#write(`reset ${ref}\nfrom :${commit}\n\n`);
  }

  /** An annotated tag of any object, other tags included. */
  async tag(name: string, target: Mark): Promise<Mark> {
    this.#lastMark += 1;
    const message = `Release ${name}\n`;
    await this.#write(
      `tag ${name}\nmark :${this.#lastMark}\nfrom :${target}\n`,
      `tagger Tess Tagger <tess@example.org> ${this.#seconds} -0330\n`,
      `data ${message.length}\n${message}\n`,
    );
    return this.#lastMark;
  }

  /** Ends the stream and waits until everything is written. */
  async finish(): Promise<void> {
    await this.#write('done\n');
    this.#git.child.stdin?.end();
    const exit = await this.#git.exited;
    if (exit.code !== 0) throw new Error(`git fast-import ended with ${exit.code}:\n${this.#git.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#git.killGroup();
  }
}
