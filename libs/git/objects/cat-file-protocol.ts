import { isObjectKind } from './tag-object.ts';
import type { ObjectHeader } from './raw.ts';

/** The first line of an answer of `git cat-file --batch-command` (git-cat-file(1), "BATCH OUTPUT"). */
export type CatFileLine =
  | (ObjectHeader & { readonly answer: 'object'; readonly oid: string })
  | { readonly answer: 'missing' | 'ambiguous' };

/** undefined when the line is nothing that git should say. */
export function parseCatFileLine(line: string): CatFileLine | undefined {
  const [first = '', second = '', third = ''] = line.split(' ');
  if (second === 'missing' || second === 'ambiguous') return { answer: second };
  const sizeBytes = Number(third);
  if (!isObjectKind(second) || !Number.isSafeInteger(sizeBytes) || third === '') return undefined;
  return { answer: 'object', oid: first, kind: second, sizeBytes };
}

/** What the bytes of an answer add up to. */
export interface CatFileAnswer {
  readonly line: CatFileLine;
  /** With `contents`, unless it was larger than wanted. */
  readonly bytes?: Buffer;
}

interface Expected {
  readonly contents: boolean;
  readonly maxBytes: number;
}

const newline = 0x0a;

/**
 * Cuts the output of `git cat-file --batch-command` into answers, wherever its chunks fall. Does
 * no I/O: say what is expected, feed chunks, and get the answers that are complete. Content over
 * the limit is skipped, not kept.
 */
export class CatFileDecoder {
  readonly #expected: Expected[] = [];
  #line: Buffer[] = [];
  #header: CatFileLine | undefined;
  #content: Buffer[] = [];
  /** Bytes of content and its newline still to come. */
  #missingBytes = 0;

  expect(expected: Expected): void {
    this.#expected.push(expected);
  }

  /** Throws a RangeError when the output is not what git promises. */
  *feed(chunk: Buffer): Generator<CatFileAnswer, void, undefined> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#header === undefined) {
        const end = rest.indexOf(newline);
        this.#line.push(end === -1 ? rest : rest.subarray(0, end));
        if (end === -1) return;
        rest = rest.subarray(end + 1);
        const answer = this.#lineDone();
        if (answer !== undefined) yield answer;
      } else {
        const part = rest.subarray(0, this.#missingBytes);
        rest = rest.subarray(part.length);
        this.#missingBytes -= part.length;
        if (this.#kept()) this.#content.push(part);
        if (this.#missingBytes === 0) yield this.#contentDone(this.#header);
      }
    }
  }

  #kept(): boolean {
    const limit = this.#expected[0]?.maxBytes ?? 0;
    return this.#header?.answer === 'object' && this.#header.sizeBytes <= limit;
  }

  #lineDone(): CatFileAnswer | undefined {
    const line = parseCatFileLine(Buffer.concat(this.#line).toString('latin1'));
    const expected = this.#expected[0];
    this.#line = [];
    if (line === undefined || expected === undefined)
      throw new RangeError('git cat-file answered something else.');
    if (line.answer === 'object' && expected.contents) {
      this.#header = line;
      this.#missingBytes = line.sizeBytes + 1;
      return undefined;
    }
    this.#expected.shift();
    return { line };
  }

  #contentDone(line: CatFileLine): CatFileAnswer {
    const kept = this.#kept();
    const bytes = Buffer.concat(this.#content);
    this.#content = [];
    this.#header = undefined;
    this.#expected.shift();
    return kept ? { line, bytes: bytes.subarray(0, -1) } : { line };
  }
}
