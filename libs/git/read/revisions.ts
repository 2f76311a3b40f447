import { isOid, type Oid, PackhorseError } from '#base';
import { objectNotFound } from '../objects/repository-objects.ts';
import type { ObjectKind, ResolvedRevision } from '../reader.ts';
import type { ReadContext } from './context.ts';
import { parseRevision, refCandidates, type RevisionStep } from './revision-syntax.ts';
import { findEntry } from './trees.ts';

/** Steps to an ancestor that are walked here; a longer way is left to git. */
const maxWalkedGenerations = 32;

/** Longest revision that is looked at, in characters: a path in a tree may be as long as that. */
const maxRevisionLength = 8192;

/** What a revision means, as `RepositoryReader.resolve`. */
export async function resolve(context: ReadContext, revision: string): Promise<ResolvedRevision | undefined> {
  const syntax = revision.length > maxRevisionLength ? undefined : parseRevision(revision);
  const named = syntax === undefined ? undefined : await resolveName(context, syntax.name);
  if (syntax === undefined || named === undefined) return undefined;
  let oid: Oid | undefined = named.oid;
  for (const step of syntax.steps) oid = oid === undefined ? undefined : await follow(context, oid, step);
  if (oid === undefined) return undefined;
  if (syntax.path !== undefined) return await resolvePath(context, oid, syntax.path);
  const header = await context.objects.header(oid);
  if (header === undefined) return undefined;
  const isRef = named.ref !== undefined && syntax.steps.length === 0;
  return { oid, kind: header.kind, ...(isRef ? { ref: named.ref } : {}) };
}

interface Named {
  readonly oid: Oid;
  readonly ref?: string;
}

/** As git: a whole id before refs, refs before anything abbreviated. */
async function resolveName(context: ReadContext, name: string): Promise<Named | undefined> {
  const lower = name.toLowerCase();
  if (isOid(lower, context.objects.objectFormat)) return { oid: lower };
  const snapshot = await context.refs();
  if (name === 'HEAD') {
    const { oid, symref } = snapshot.head;
    return oid === undefined ? undefined : { oid, ref: symref ?? 'HEAD' };
  }
  for (const candidate of refCandidates(name)) {
    const ref = snapshot.get(candidate);
    if (ref !== undefined) return { oid: ref.oid, ref: ref.name };
  }
  const abbreviation = /^(?:.+-g)?([0-9a-f]{4,63})$/.exec(lower)?.[1];
  const oid = abbreviation === undefined ? undefined : await context.objects.expand(abbreviation);
  return oid === undefined ? undefined : { oid };
}

async function follow(context: ReadContext, oid: Oid, step: RevisionStep): Promise<Oid | undefined> {
  const { objects } = context;
  if (step.step === 'peel') {
    if (step.to !== 'object') return await peelOrNothing(context, oid, step.to);
    return (await objects.header(oid)) === undefined ? undefined : oid;
  }
  const commitOid = await peelOrNothing(context, oid, 'commit');
  if (commitOid === undefined) return undefined;
  if (step.step === 'ancestor') return await ancestor(context, commitOid, step.generations);
  return step.number === 0 ? commitOid : (await objects.findCommit(commitOid))?.parents[step.number - 1];
}

async function ancestor(context: ReadContext, commitOid: Oid, generations: number): Promise<Oid | undefined> {
  if (generations > maxWalkedGenerations) {
    const { git, gitDir, settings, signal } = context;
    const args = ['rev-list', '--first-parent', `--skip=${generations}`, '--max-count=1', '--end-of-options'];
    const result = await git.run({
      gitDir,
      args: [...args, commitOid, '--'],
      timeoutMs: settings.readTimeoutMs,
      signal,
    });
    const printed = result.stdout.toString('latin1').trim();
    return printed === '' ? undefined : printed;
  }
  let at: Oid | undefined = commitOid;
  for (let walked = 0; walked < generations && at !== undefined; walked += 1) {
    at = (await context.objects.findCommit(at))?.parents[0];
  }
  return at;
}

async function resolvePath(
  context: ReadContext,
  oid: Oid,
  path: string,
): Promise<ResolvedRevision | undefined> {
  const treeOid = await peelOrNothing(context, oid, 'tree');
  const entry = treeOid === undefined ? undefined : await findEntry(context, treeOid, path);
  if (entry === undefined) return undefined;
  const kinds = { tree: 'tree', submodule: 'commit' } as const;
  return { oid: entry.oid, kind: kinds[entry.kind as keyof typeof kinds] ?? 'blob' };
}

async function peelOrNothing(
  context: ReadContext,
  oid: Oid,
  kind: ObjectKind | 'anything but a tag',
): Promise<Oid | undefined> {
  const { objects } = context;
  const header = await objects.header(oid);
  if (header === undefined) return undefined;
  if (kind === 'tag') return header.kind === 'tag' ? oid : undefined;
  const target = header.kind === 'tag' ? await objects.peelTag(oid) : oid;
  if (target === undefined || kind === 'anything but a tag') return target;
  const found = (await objects.header(target))?.kind;
  if (found === kind) return target;
  return found === 'commit' && kind === 'tree' ? (await objects.findCommit(target))?.treeOid : undefined;
}

/** As `RepositoryReader.peel`. */
export async function peel(context: ReadContext, oid: Oid, kind: ObjectKind): Promise<Oid> {
  const peeled = await peelOrNothing(context, oid, kind);
  if (peeled !== undefined) return peeled;
  const header = await context.objects.header(oid);
  if (header === undefined) throw objectNotFound(oid);
  throw new PackhorseError('invalid_argument', 'This object does not lead to one of that kind.', {
    metadata: { oid, kind: header.kind, wanted: kind },
  });
}
