import type { Oid } from '#base';
import { decodeText } from '../objects/text.ts';
import type { ReadContext } from './context.ts';
import { gitOutput, linesOf } from './git-output.ts';
import { pathspec } from './path.ts';
import { unquotePath } from './quoted-path.ts';

/** A commit and which entries of a directory differ from its first parent. */
export interface FirstParentStep {
  readonly oid: Oid;
  readonly parents: readonly Oid[];
  readonly changed: ReadonlySet<string>;
}

/**
 * Follows first parents from `from`, newest first, and says for every commit that changed the
 * directory at `directory` (its exact bytes; empty for the root) which entries it changed. Leaving
 * the loop stops git.
 */
export async function* firstParentLog(
  context: ReadContext,
  from: Oid,
  directory: Buffer,
): AsyncGenerator<FirstParentStep, void, undefined> {
  const isRoot = directory.length === 0;
  const output = gitOutput(
    context,
    [
      'log',
      '--first-parent',
      '-m',
      '--raw',
      '--no-renames',
      '--no-abbrev',
      '--no-color',
      '--ignore-submodules=none',
      '--no-show-signature',
      // Entries of the root are compared as they are; below it git only descends when told to.
      ...(isRoot ? [] : ['-r']),
      '--format=%H %P',
      '--end-of-options',
      from,
      '--',
      ...(isRoot ? [] : [pathspec(directory)]),
    ],
    { config: { 'core.quotePath': 'true', 'log.showRoot': 'true' } },
  );
  const prefixBytes = isRoot ? 0 : directory.length + 1;
  let step: { oid: Oid; parents: Oid[]; changed: Set<string> } | undefined;
  for await (const lines of linesOf(output, { maxLineBytes: 1024 * 1024 })) {
    for (const line of lines) {
      if (line.length === 0) continue;
      if (line[0] === 0x3a) {
        const path = unquotePath(line.subarray(line.indexOf(0x09) + 1));
        step?.changed.add(firstName(path.subarray(prefixBytes)));
      } else {
        if (step !== undefined) yield step;
        const [oid = '', ...parents] = line.toString('latin1').trimEnd().split(' ');
        step = { oid, parents, changed: new Set() };
      }
    }
  }
  if (step !== undefined) yield step;
}

function firstName(path: Buffer): string {
  const end = path.indexOf(0x2f);
  return decodeText(end === -1 ? path : path.subarray(0, end));
}
