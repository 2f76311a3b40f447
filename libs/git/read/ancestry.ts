import type { Oid } from '#base';
import type { ReadContext } from './context.ts';
import { peel } from './revisions.ts';

/**
 * Commits that only one of two histories has. libgit2 answers near relations without starting a
 * process; where it cannot (SHA-256, a shallow repository) git does.
 */
export async function aheadBehind(
  context: ReadContext,
  localOid: Oid,
  upstreamOid: Oid,
): Promise<{ readonly ahead: number; readonly behind: number }> {
  const { objects } = context;
  const [local, upstream] = await Promise.all([
    peel(context, localOid, 'commit'),
    peel(context, upstreamOid, 'commit'),
  ]);
  const counts = await objects.cache.fetch('aheadBehind', `${local} ${upstream}`, async () => {
    try {
      if (objects.libgit2 !== undefined) return await objects.libgit2.aheadBehind(local, upstream);
    } catch {
      // Below.
    }
    const printed = await ask(
      context,
      ['rev-list', '--left-right', '--count'],
      [`${local}...${upstream}`, '--'],
    );
    const [ahead = 0, behind = 0] = printed.split('\t').map(Number);
    return { ahead, behind };
  });
  return counts ?? { ahead: 0, behind: 0 };
}

/** The best common ancestor, or undefined. */
export async function mergeBase(context: ReadContext, oneOid: Oid, otherOid: Oid): Promise<Oid | undefined> {
  const { objects } = context;
  const [one, other] = await Promise.all([
    peel(context, oneOid, 'commit'),
    peel(context, otherOid, 'commit'),
  ]);
  const found = await objects.cache.fetch('mergeBase', `${one} ${other}`, async () => {
    try {
      if (objects.libgit2 !== undefined) return { oid: await objects.libgit2.mergeBase(one, other) };
    } catch {
      // Below.
    }
    const printed = await ask(context, ['merge-base'], [one, other], [0, 1]);
    return { oid: printed === '' ? undefined : printed };
  });
  return found?.oid;
}

async function ask(
  { git, gitDir, settings, signal }: ReadContext,
  command: readonly string[],
  revisions: readonly string[],
  okCodes: readonly number[] = [0],
): Promise<string> {
  const args = [...command, '--end-of-options', ...revisions];
  const result = await git.run({ gitDir, args, okCodes, timeoutMs: settings.readTimeoutMs, signal });
  return result.stdout.toString('latin1').trim();
}
