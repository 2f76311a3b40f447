import { hasCode, type Oid } from '#base';
import type { CommitNode } from '#wire';
import { relate, type Relation } from '../commit-graph/relation.ts';
import type { ReadContext } from './context.ts';
import { peel } from './revisions.ts';

/** Some 300,000 commits. */
const maxListBytes = 32 * 1024 * 1024;

/** Commits that only one of two histories has. */
export async function aheadBehind(
  context: ReadContext,
  local: Oid,
  upstream: Oid,
): Promise<{ readonly ahead: number; readonly behind: number }> {
  const { ahead, behind } = await relation(context, local, upstream);
  return { ahead, behind };
}

/** The best common ancestor, the latest of them where there are several; undefined when there is none. */
export async function mergeBase(context: ReadContext, one: Oid, other: Oid): Promise<Oid | undefined> {
  return (await relation(context, one, other)).mergeBases[0];
}

async function relation(context: ReadContext, oneOid: Oid, otherOid: Oid): Promise<Relation> {
  const { objects, settings, signal } = context;
  const [one, other] = await Promise.all([
    peel(context, oneOid, 'commit'),
    peel(context, otherOid, 'commit'),
  ]);
  const found = await objects.cache.fetch('relation', `${one} ${other}`, async () => {
    const { maxReachabilityCommits: maxCommits, maxCommitReads: maxReads } = settings;
    const limits = { maxCommits, maxReads, signal };
    const near = await relate(await context.commits(), one, other, limits);
    return near ?? (await relateListed(context, one, other)) ?? (await ask(context, one, other));
  });
  return found ?? { ahead: 0, behind: 0, mergeBases: [] };
}

/** Has git list both histories, which is faster than reading them; undefined for one that is too long for that. */
async function relateListed(context: ReadContext, one: Oid, other: Oid): Promise<Relation | undefined> {
  const { git, gitDir, settings, signal } = context;
  const commits = new Map<Oid, CommitNode>();
  try {
    const { stdout } = await git.run({
      gitDir,
      args: ['rev-list', '--parents', '--timestamp', '--end-of-options', one, other, '--'],
      maxOutputBytes: maxListBytes,
      timeoutMs: settings.readTimeoutMs,
      signal,
    });
    for (const line of stdout.toString('latin1').split('\n')) {
      const [seconds, oid = '', ...parents] = line.split(' ');
      commits.set(oid, { oid, parents, committerTimeSeconds: Number(seconds) });
    }
  } catch (error) {
    if (hasCode(error, 'resource_exhausted')) return undefined;
    throw error;
  }
  const everything = { maxCommits: Infinity, maxReads: Infinity, signal };
  return await relate((oid) => commits.get(oid), one, other, everything);
}

/** As git sees it: without a commit-graph its counts trust commit dates to some degree. */
async function ask(context: ReadContext, one: Oid, other: Oid): Promise<Relation> {
  const { git, gitDir, settings, signal } = context;
  const lines = async (args: readonly string[]): Promise<string[]> => {
    const okCodes = [0, 1];
    const result = await git.run({ gitDir, args, okCodes, timeoutMs: settings.readTimeoutMs, signal });
    return result.stdout.toString('latin1').trim().split('\n');
  };
  const [counts, bases] = await Promise.all([
    lines(['rev-list', '--left-right', '--count', '--end-of-options', `${one}...${other}`, '--']),
    lines(['merge-base', '--all', '--end-of-options', one, other]),
  ]);
  const [ahead = 0, behind = 0] = (counts[0] ?? '').split('\t').map(Number);
  return { ahead, behind, mergeBases: bases.filter((oid) => oid !== '') };
}
