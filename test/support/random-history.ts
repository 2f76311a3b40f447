import { join } from 'node:path';
import type { ObjectFormat } from '#base';
import { SeededRandom } from './generated-bytes.ts';
import { git } from './git.ts';
import { temporaryDirectory } from './temporary.ts';

/** A file of a generated commit; paths and contents are bytes, written here as latin1 text. */
type Files = Map<string, { readonly mode: string; readonly content: string }>;

interface Commit {
  readonly mark: number;
  readonly files: Files;
}

const oddPaths = [
  'README',
  'src/main.c',
  'src/deep/er/file.txt',
  'src/deep/other',
  'thing',
  'thing/inner',
  'with space/and "quotes"',
  'new\nline',
  'back\\slash\tand tab',
  '*?[glob]',
  ':(top)magic',
  '-dash',
  Buffer.from('ünïcödé/文件').toString('latin1'),
  'caf\xe9/latin\xff',
  'caf\xe9-2',
] as const;

function quoted(path: string): string {
  const text = Array.from(path, (character) =>
    /[\x20-\x7e]/.test(character) && !'"\\'.includes(character)
      ? character
      : `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  return `"${text.join('')}"`;
}

/** A small history with everything that trips readers: merges that take either side or neither, renames, changes of type, odd names and dates. */
class Writer {
  readonly #random: SeededRandom;
  readonly #digits: number;
  readonly #chunks: string[] = [];
  readonly #commits: Commit[] = [];
  #seconds = 1_500_000_000;

  constructor(seed: number, format: ObjectFormat) {
    this.#random = new SeededRandom(`history ${seed}`);
    this.#digits = format === 'sha1' ? 40 : 64;
  }

  write(commits: number): Buffer {
    for (let count = 0; count < commits; count += 1) this.#commit();
    const pick = (): number => this.#random.pick(this.#commits).mark;
    this.#chunks.push(`reset refs/tags/light\nfrom :${pick()}\n\n`);
    this.#chunks.push(`reset refs/heads/nested/branch\nfrom :${pick()}\n\n`);
    this.#chunks.push(`tag v1\nmark :9001\nfrom :${pick()}\ntagger T <t@x> 1500000000 -0330\ndata 4\ntag\n`);
    this.#chunks.push('tag v1-of-tag\nfrom :9001\ntagger T <t@x> 1500000000 -0330\ndata 4\ntag\n');
    return Buffer.from(`${this.#chunks.join('')}done\n`, 'latin1');
  }

  #content(): string {
    const random = this.#random;
    if (random.oneIn(8)) return `binary\0${random.below(1000)}`;
    const lines = Array.from({ length: random.below(30) }, () => `line ${random.below(12)}`);
    if (random.oneIn(6)) lines.push('caf\xe9 \xff', '-- not a header', '@@ -1 +1 @@');
    return `${lines.join('\n')}${random.oneIn(4) ? '' : '\n'}`;
  }

  #put(files: Files, path: string, file: { readonly mode: string; readonly content: string }): void {
    for (const other of files.keys()) {
      if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`)) files.delete(other);
    }
    files.set(path, file);
  }

  #changeSome(files: Files): void {
    const random = this.#random;
    for (let edits = 1 + random.below(4); edits > 0; edits -= 1) {
      const path = random.pick(oddPaths);
      const before = files.get(path);
      const kind = random.below(8);
      if (kind === 0 && before !== undefined) files.delete(path);
      else if (kind === 1 && before !== undefined) {
        files.delete(path);
        this.#put(files, random.pick(oddPaths), before);
      } else if (kind === 2) this.#put(files, path, { mode: '120000', content: `target-${random.below(9)}` });
      else if (kind === 3) {
        this.#put(files, path, { mode: '160000', content: `${1 + random.below(8)}`.repeat(this.#digits) });
      } else if (kind === 4 && before?.mode === '100644') files.set(path, { ...before, mode: '100755' });
      else if (kind === 5 && before?.mode === '100644') {
        const lines = before.content.split('\n');
        lines.splice(random.below(lines.length), random.below(3), `edit ${random.below(100)}`);
        files.set(path, { ...before, content: lines.join('\n') });
      } else this.#put(files, path, { mode: '100644', content: this.#content() });
    }
  }

  #parents(): readonly Commit[] {
    const random = this.#random;
    const recent = this.#commits.slice(-6);
    if (recent.length === 0 || random.oneIn(25)) return [];
    const count = random.oneIn(3) ? 2 + random.below(2) : 1;
    return [...new Set(Array.from({ length: count }, () => random.pick(recent)))];
  }

  /** What a merge keeps: of each path either side, and now and then something new. */
  #merged(parents: readonly Commit[]): Files {
    const files: Files = new Map(parents[0]?.files);
    for (const { files: theirs } of parents.slice(1)) {
      for (const path of new Set([...files.keys(), ...theirs.keys()])) {
        if (this.#random.oneIn(2)) continue;
        const file = theirs.get(path);
        if (file === undefined) files.delete(path);
        else this.#put(files, path, file);
      }
    }
    return files;
  }

  #commit(): void {
    const random = this.#random;
    const parents = this.#parents();
    const files = this.#merged(parents);
    if (parents.length < 2 || random.oneIn(3)) this.#changeSome(files);
    // Clocks go backwards, too.
    this.#seconds += random.oneIn(6) ? -random.below(500) : random.below(300);
    const mark = this.#commits.length + 1;
    const latin1 = random.oneIn(5);
    const message = random.pick([
      'One line',
      'Subject\n\nBody\nmore\n',
      'Sub-\nject of two lines\n\n\nBody after a gap\n\nand more\n\n',
      '\n\nLeading blank lines\n',
      'Caf\xe9',
      '',
    ]);
    const zone = random.pick(['+0000', '-0730', '+1400', '+0545']);
    const name = random.pick(['Ann Author', 'J\xf6rg "Q" O\'Neil', '']);
    const person = `${name} <ann@example.org> ${this.#seconds} ${zone}`;
    const ref = `refs/heads/${random.oneIn(3) ? 'topic' : 'main'}`;
    this.#chunks.push(
      // Without a parent of its own a commit would continue its branch.
      parents.length === 0 ? `reset ${ref}\n\n` : '',
      `commit ${ref}\nmark :${mark}\n`,
      `author ${person}\ncommitter C O Mitter <c@example.org> ${this.#seconds + random.below(100)} ${zone}\n`,
      latin1 ? 'encoding ISO-8859-1\n' : '',
      `data ${message.length}\n${message}\n`,
      ...parents.map((parent, index) => `${index === 0 ? 'from' : 'merge'} :${parent.mark}\n`),
      'deleteall\n',
    );
    for (const [path, { mode, content }] of files) {
      if (mode === '160000') this.#chunks.push(`M 160000 ${content} ${quoted(path)}\n`);
      else this.#chunks.push(`M ${mode} inline ${quoted(path)}\ndata ${content.length}\n${content}\n`);
    }
    this.#chunks.push('\n');
    this.#commits.push({ mark, files });
  }
}

/** A bare repository with a generated history; the same seed gives the same one. */
export async function randomHistory(
  seed: number,
  options: { format?: ObjectFormat; commits?: number } = {},
): Promise<string> {
  const { format = 'sha1', commits = 18 } = options;
  const path = join(temporaryDirectory('history'), 'repository.git');
  await git(['init', '--quiet', '--bare', '--initial-branch=main', `--object-format=${format}`, path]);
  const input = new Writer(seed, format).write(commits);
  // Without a limit so few objects would be left loose.
  await git(['-c', 'fastimport.unpackLimit=1', 'fast-import', '--quiet', '--done', '--force'], {
    cwd: path,
    input,
  });
  return path;
}
