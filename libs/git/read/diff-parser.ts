import { decodeText } from '../objects/text.ts';
import type { Diff, DiffFile, DiffHunk, DiffLine } from '../reader.ts';
import { unquotePath } from './quoted-path.ts';

export interface DiffLimits {
  readonly maxFiles: number;
  readonly maxLines: number;
  readonly maxBytes: number;
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

interface FileBuilder extends Mutable<Omit<DiffFile, 'hunks'>> {
  readonly hunks: HunkBuilder[];
}

interface HunkBuilder extends DiffHunk {
  readonly lines: DiffLine[];
}

const statuses: Readonly<Record<string, DiffFile['status']>> = {
  A: 'added',
  C: 'copied',
  D: 'deleted',
  M: 'modified',
  R: 'renamed',
  T: 'typechange',
};

/**
 * Reads the output of `git diff-tree -r --raw --numstat -p`, line by line (git-diff-tree(1), "RAW
 * OUTPUT FORMAT" and "GENERATING PATCH TEXT"). First all files are named, then all are counted,
 * then come the patches in the same order: so files and counts are complete even when the patches
 * are cut short at a limit. Does no I/O.
 */
export class DiffParser {
  readonly #limits: DiffLimits;
  readonly #files: FileBuilder[] = [];
  #namedFiles = 0;
  #countedFiles = 0;
  #addedLines = 0;
  #removedLines = 0;
  #patchIndex = -1;
  /** Patches of the present file that are still to come. */
  #patchesLeft = 0;
  #lines = 0;
  #bytes = 0;
  #oldLine = 0;
  #newLine = 0;
  /** Lines of the present hunk that are still to come. */
  #oldLeft = 0;
  #newLeft = 0;
  #full = false;

  constructor(limits: DiffLimits) {
    this.#limits = limits;
  }

  /** True when nothing more is taken in. */
  get full(): boolean {
    return this.#full;
  }

  line(bytes: Buffer): void {
    if (this.#full) return;
    if (this.#oldLeft > 0 || this.#newLeft > 0) this.#hunkLine(bytes);
    else if (this.#patchIndex === -1 && bytes[0] === 0x3a) this.#rawLine(bytes);
    else if (this.#patchIndex === -1 && this.#countedFiles < this.#namedFiles) this.#countLine(bytes);
    else this.#patchLine(bytes);
  }

  /** What there is, once all lines were given or the parser is full. `cut`: lines were left out. */
  finish(cut: boolean): Diff {
    const reached = Math.max(0, this.#patchIndex);
    this.#files.forEach((file, index) => {
      if (cut && index >= reached && file.addedLines + file.removedLines > countLines(file))
        file.truncated = true;
    });
    return {
      files: this.#files,
      stats: { files: this.#namedFiles, addedLines: this.#addedLines, removedLines: this.#removedLines },
      omittedFiles: this.#namedFiles - this.#files.length,
    };
  }

  /** No patch will be shown past this point. */
  cut(): void {
    this.#full = true;
  }

  /** `:100644 100755 <old id> <new id> R090<tab>old path<tab>new path` */
  #rawLine(bytes: Buffer): void {
    this.#namedFiles += 1;
    if (this.#files.length >= this.#limits.maxFiles) return;
    const [fields = '', ...paths] = splitTabs(bytes);
    const [oldMode = '', newMode = '', , , letter = ''] = fields.toString('latin1').split(' ');
    const [oldPath = '', newPath = oldPath] = paths.map((path) => decodeText(unquotePath(path)));
    const status = statuses[letter.charAt(0)] ?? 'modified';
    this.#files.push({
      status,
      oldPath,
      newPath,
      oldMode: Number.parseInt(oldMode.slice(1), 8),
      newMode: Number.parseInt(newMode, 8),
      binary: false,
      addedLines: 0,
      removedLines: 0,
      hunks: [],
      truncated: false,
    });
  }

  /** `12<tab>3<tab>path`, with dashes for a binary file */
  #countLine(bytes: Buffer): void {
    const [added = '', removed = ''] = splitTabs(bytes).map((field) => field.toString('latin1'));
    const file = this.#files[this.#countedFiles];
    this.#countedFiles += 1;
    if (added === '-') {
      if (file !== undefined) file.binary = true;
      return;
    }
    this.#addedLines += Number(added);
    this.#removedLines += Number(removed);
    if (file === undefined) return;
    file.addedLines = Number(added);
    file.removedLines = Number(removed);
  }

  #patchLine(bytes: Buffer): void {
    if (bytes[0] === 0x64 && bytes.toString('latin1', 0, 11) === 'diff --git ') return this.#nextPatch();
    const file = this.#files[this.#patchIndex];
    if (file === undefined) return;
    if (bytes[0] === 0x40) this.#hunkStart(file, bytes);
    // "\ No newline at end of file" may follow the last line of a hunk.
    else if (bytes[0] === 0x5c)
      this.#add(bytes, { origin: 'no-newline', text: decodeText(bytes.subarray(2)) });
  }

  #nextPatch(): void {
    if (this.#patchesLeft === 0) {
      this.#patchIndex += 1;
      // A change of type is printed as two patches: one that deletes and one that adds.
      this.#patchesLeft = this.#files[this.#patchIndex]?.status === 'typechange' ? 2 : 1;
    }
    this.#patchesLeft -= 1;
    if (this.#patchIndex >= this.#files.length) this.#full = true;
  }

  #hunkStart(file: FileBuilder, bytes: Buffer): void {
    const range = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(bytes.toString('latin1', 0, 100));
    if (range === null) return;
    this.#oldLine = Number(range[1]);
    this.#oldLeft = Number(range[2] ?? 1);
    this.#newLine = Number(range[3]);
    this.#newLeft = Number(range[4] ?? 1);
    file.hunks.push({ header: decodeText(bytes), lines: [] });
  }

  #hunkLine(bytes: Buffer): void {
    const text = decodeText(bytes.subarray(1));
    switch (bytes[0]) {
      case 0x2b:
        this.#add(bytes, { origin: 'added', newLine: this.#newLine, text });
        this.#newLine += 1;
        this.#newLeft -= 1;
        return;
      case 0x2d:
        this.#add(bytes, { origin: 'removed', oldLine: this.#oldLine, text });
        this.#oldLine += 1;
        this.#oldLeft -= 1;
        return;
      case 0x5c:
        this.#add(bytes, { origin: 'no-newline', text: decodeText(bytes.subarray(2)) });
        return;
      default:
        this.#add(bytes, { origin: 'context', oldLine: this.#oldLine, newLine: this.#newLine, text });
        this.#oldLine += 1;
        this.#newLine += 1;
        this.#oldLeft -= 1;
        this.#newLeft -= 1;
    }
  }

  #add(bytes: Buffer, line: DiffLine): void {
    this.#lines += 1;
    this.#bytes += bytes.length;
    if (this.#lines > this.#limits.maxLines || this.#bytes > this.#limits.maxBytes) this.#full = true;
    else this.#files[this.#patchIndex]?.hunks.at(-1)?.lines.push(line);
  }
}

function countLines(file: FileBuilder): number {
  let count = 0;
  for (const { lines } of file.hunks) {
    for (const { origin } of lines) if (origin === 'added' || origin === 'removed') count += 1;
  }
  return count;
}

function splitTabs(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  let at = 0;
  for (let end = bytes.indexOf(0x09); end !== -1; end = bytes.indexOf(0x09, at)) {
    fields.push(bytes.subarray(at, end));
    at = end + 1;
  }
  fields.push(bytes.subarray(at));
  return fields;
}
