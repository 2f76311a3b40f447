import { mkdirSync } from 'node:fs';
import { git } from './git.ts';
import { SeededRandom } from './generated-bytes.ts';
import { FastImport, type Mark } from './fast-import.ts';

/** What a generated repository is made of. The same shape gives the same object ids on every machine. */
export interface RepositoryShape {
  readonly seed: number;
  readonly commits: number;
  readonly branches: number;
  readonly tags: number;
  /** Text files in the tree, each changed now and then. */
  readonly files: number;
  /** Binary files that do not compress, added with their own commit. */
  readonly binaries?: { readonly count: number; readonly sizeBytes: number };
  /** Names that trip careless programs: spaces, quotes, newlines, bytes that are no UTF-8. On by default. */
  readonly oddNames?: boolean;
}

const words =
  'pack ref want have oid tree blob commit tag delta thin quarantine agent node volume region pool door'.split(
    ' ',
  );

const oddPaths = [
  'with space/file name.txt',
  'quote"and\\backslash',
  'new\nline',
  'tab\there',
  'ünïcödé/文件.txt',
  '-leading-dash',
  'trailing.dot.',
  '.hidden/.config',
  'a'.repeat(200),
  'deep/'.repeat(30) + 'leaf',
].map((path) => Buffer.from(path));
const invalidUtf8Path = Buffer.concat([Buffer.from('latin1-'), Buffer.from([0xe9, 0xff])]);

function textFile(random: SeededRandom, lines: number): string[] {
  return Array.from({ length: lines }, () => line(random));
}

function line(random: SeededRandom): string {
  return Array.from({ length: 3 + random.below(9) }, () => random.pick(words)).join(' ');
}

/** Path of text file number `index`: a few directories deep, as in a program's source. */
function pathOf(index: number): Buffer {
  return Buffer.from(
    `${words[index % 7]}/${words[7 + (index % 5)]}-${Math.floor(index / 35)}/file-${index}.txt`,
  );
}

function changeSome(random: SeededRandom, content: string[]): void {
  for (let edits = 1 + random.below(3); edits > 0; edits -= 1) {
    const at = random.below(content.length);
    content.splice(at, random.below(2), line(random));
  }
  if (content.length > 400) content.splice(random.below(200), 100);
}

async function writeHistory(
  stream: FastImport,
  shape: RepositoryShape,
  random: SeededRandom,
): Promise<Mark[]> {
  const branches = Array.from({ length: Math.max(1, shape.branches) }, (_, index) => ({
    ref: index === 0 ? 'refs/heads/main' : `refs/heads/${random.pick(words)}/topic-${index}`,
    tip: undefined as Mark | undefined,
  }));
  const main = branches[0];
  if (main === undefined) throw new Error('a generated repository has at least one branch');
  const contents = Array.from({ length: shape.files }, () => textFile(random, 10 + random.below(60)));
  const commits: Mark[] = [];
  for (let index = 0; index < shape.commits; index += 1) {
    // Most work happens on main; each other branch starts from it and is touched now and then.
    const branch = index === 0 || random.oneIn(2) ? main : random.pick(branches);
    const merged = branch === main && index > 0 && random.oneIn(8) ? random.pick(branches).tip : undefined;
    const files = new Map<Buffer, Mark>();
    const changes =
      index === 0 ? contents.map((_, at) => at) : [random.below(shape.files), random.below(shape.files)];
    for (const at of new Set(changes)) {
      const content = contents[at];
      if (content === undefined) continue;
      if (index > 0) changeSome(random, content);
      files.set(pathOf(at), await stream.blob(Buffer.from(`${content.join('\n')}\n`)));
    }
    const parent = branch.tip ?? main.tip;
    branch.tip = await stream.commit({
      ref: branch.ref,
      message: `${line(random)}\n\n${line(random)}\n`,
      parents: [parent, merged === parent ? undefined : merged].filter((mark) => mark !== undefined),
      files,
    });
    commits.push(branch.tip);
  }
  for (const branch of branches)
    if (branch.tip === undefined && main.tip !== undefined) await stream.reset(branch.ref, main.tip);
  return commits;
}

async function writeOddNames(stream: FastImport, parent: Mark): Promise<Mark> {
  const blob = await stream.blob(Buffer.from('odd\n'));
  const names = [...oddPaths, invalidUtf8Path];
  return stream.commit({
    ref: 'refs/heads/odd-names',
    message: 'Add files with odd names',
    parents: [parent],
    files: new Map(names.map((path) => [path, blob])),
    executable: [Buffer.from('bin/run')],
    symlinks: new Map([[Buffer.from('link'), 'with space/file name.txt']]),
  });
}

async function writeTags(
  stream: FastImport,
  shape: RepositoryShape,
  random: SeededRandom,
  commits: readonly Mark[],
): Promise<void> {
  for (let index = 0; index < shape.tags; index += 1) {
    const commit = random.pick(commits);
    if (index % 3 === 0) await stream.reset(`refs/tags/light-${index}`, commit);
    else {
      const tag = await stream.tag(`v${index}.0`, commit);
      if (index % 7 === 1) await stream.tag(`v${index}.0-signed-off`, tag);
    }
  }
}

/** Creates a bare repository at `path` as `shape` says, in one pack, with HEAD on `main`. */
export async function generateRepository(path: string, shape: RepositoryShape): Promise<void> {
  mkdirSync(path, { recursive: true });
  await git(['init', '--quiet', '--bare', '--initial-branch=main', path]);
  const random = new SeededRandom(shape.seed);
  await using stream = new FastImport(path);
  const commits = await writeHistory(stream, shape, random);
  const last = commits.at(-1);
  if (last !== undefined) {
    if (shape.oddNames ?? true) await writeOddNames(stream, last);
    await writeTags(stream, shape, random, commits);
  }
  if (shape.binaries !== undefined) {
    let parent = last;
    for (let index = 0; index < shape.binaries.count; index += 1) {
      const blob = await stream.blob(random.bytes(shape.binaries.sizeBytes));
      parent = await stream.commit({
        ref: 'refs/heads/binaries',
        message: `Add binary ${index}`,
        parents: parent === undefined ? [] : [parent],
        files: new Map([[Buffer.from(`binary/${index}.bin`), blob]]),
      });
    }
  }
  await stream.finish();
}
