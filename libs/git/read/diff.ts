import type { Oid } from '#base';
import type { Diff, DiffRequest } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { DiffParser } from './diff-parser.ts';
import { gitOutput, linesOf } from './git-output.ts';
import { pathspec, pathSegments } from './path.ts';
import { peel } from './revisions.ts';
import { rawPath } from './trees.ts';

/** The tree without entries, which git knows without having it. */
const emptyTree = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
} as const;

const maxContextLines = 1000;

/**
 * As `RepositoryReader.diff`, through `git diff-tree`: as fast as libgit2 for a usual commit and
 * twice as fast for a large one (0.7 s instead of 1.6 s for 820 files), it stops where a limit is
 * reached, and its text is read piece by piece.
 */
export async function diff(context: ReadContext, request: DiffRequest): Promise<Diff> {
  const { objects } = context;
  const oldTree =
    request.oldOid === undefined
      ? emptyTree[objects.objectFormat]
      : await peel(context, request.oldOid, 'tree');
  const newTree = await peel(context, request.newOid, 'tree');
  const path = pathSegments(request.path ?? '').join('/');
  const contextLines = Math.max(0, Math.min(Math.trunc(request.contextLines ?? 3), maxContextLines));
  const found = await objects.cache.fetch('diff', `${oldTree} ${newTree} ${contextLines} ${path}`, () =>
    compare(context, { oldTree, newTree, path, contextLines }),
  );
  return found ?? { files: [], stats: { files: 0, addedLines: 0, removedLines: 0 }, omittedFiles: 0 };
}

interface Comparison {
  readonly oldTree: Oid;
  readonly newTree: Oid;
  readonly path: string;
  readonly contextLines: number;
}

async function compare(
  context: ReadContext,
  { oldTree, newTree, path, contextLines }: Comparison,
): Promise<Diff> {
  const { maxDiffFiles: maxFiles, maxDiffLines: maxLines, maxDiffBytes: maxBytes } = context.settings;
  const parser = new DiffParser({ maxFiles, maxLines, maxBytes });
  const paths = path === '' ? [] : [pathspec(await pathIn(context, [newTree, oldTree], path))];
  const output = gitOutput(
    context,
    [
      'diff-tree',
      '-r',
      '--raw',
      '--numstat',
      '-p',
      '--find-renames',
      `--unified=${contextLines}`,
      '--full-index',
      '--no-color',
      '--no-ext-diff',
      '--no-textconv',
      '--submodule=short',
      '--ignore-submodules=none',
      '--src-prefix=a/',
      '--dst-prefix=b/',
      '--end-of-options',
      oldTree,
      newTree,
      '--',
      ...paths,
    ],
    // Paths are quoted, so that none of them can look like another line.
    { config: { 'core.quotePath': 'true', 'diff.suppressBlankEmpty': 'false' } },
  );
  const lines = linesOf(output, { maxLineBytes: maxBytes, onOverlong: () => parser.cut() });
  for await (const batch of lines) {
    for (const line of batch) parser.line(line);
    if (parser.full) break;
  }
  return parser.finish(parser.full);
}

/** The bytes of a path in whichever tree has it. */
async function pathIn(context: ReadContext, trees: readonly Oid[], path: string): Promise<Buffer> {
  const plain = Buffer.from(path);
  for (const tree of trees) {
    const raw = await rawPath(context, tree, path);
    if (!raw.equals(plain)) return raw;
  }
  return plain;
}
