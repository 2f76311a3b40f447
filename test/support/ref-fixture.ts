import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Oid, silentLog, systemClock, zeroOid } from '#base';
import { RefStore, type RefStoreOptions, systemDisk } from '#git';
import type { CommandResult, RefCommand } from '#wire';
import { newBareRepository, pusher } from './disk-repository.ts';
import { commitFiles, git, tryGit } from './git.ts';
import { plainObjects } from './plain-objects.ts';
import { temporaryDirectory } from './temporary.ts';

const zero = zeroOid('sha1');
export const push = { atomic: false, by: pusher, message: 'push' };
export const atomicPush = { ...push, atomic: true };

/** A bare repository with objects but without refs, and stores on it. */
export interface Fixture {
  readonly bare: string;
  /** Three commits, each the parent of the next. */
  readonly oids: readonly [Oid, Oid, Oid];
  readonly store: (mode: 'owned' | 'shared', options?: Partial<RefStoreOptions>) => RefStore;
}

export async function refFixture(): Promise<Fixture> {
  const bare = await newBareRepository();
  const work = join(temporaryDirectory('work'), 'work');
  await git(['init', '--quiet', work]);
  const oids = [
    await commitFiles(work, { a: '1' }),
    await commitFiles(work, { a: '2' }),
    await commitFiles(work, { a: '3' }),
  ] as const;
  await git(['push', '--quiet', bare, 'main:refs/fixture/all'], { cwd: work });
  await git(['update-ref', '-d', 'refs/fixture/all'], { cwd: bare });
  const store: Fixture['store'] = (mode, options = {}) =>
    new RefStore({
      gitDir: bare,
      objectFormat: 'sha1',
      mode,
      reflogPolicy: () => Promise.resolve('always'),
      objects: plainObjects(bare),
      disk: systemDisk,
      clock: systemClock,
      log: silentLog,
      ...options,
    });
  return { bare, oids, store };
}

export const create = (name: string, newOid: Oid): RefCommand => ({ name, oldOid: zero, newOid });
export const update = (name: string, oldOid: Oid, newOid: Oid): RefCommand => ({ name, oldOid, newOid });
export const remove = (name: string, oldOid: Oid): RefCommand => ({ name, oldOid, newOid: zero });

/** `ok` or the reason, for each command. */
export function reasons(results: readonly CommandResult[]): string[] {
  return results.map((result) => (result.status === 'ok' ? 'ok' : result.reason));
}

/** What git says about all refs, a line each: object, name, target of a symbolic ref, what a tag peels to. */
export async function theirs(bare: string): Promise<string> {
  const listed = await git(['for-each-ref', '--format=%(objectname) %(refname) %(symref) %(objecttype)'], {
    cwd: bare,
  });
  const lines = listed === '' ? [] : listed.split('\n');
  const peeled = lines.map(async (line) => {
    const [, name] = line.split(' ');
    const isTag = line.endsWith(' tag');
    return line.replace(/ [a-z]+$/, ` ${isTag ? await git(['rev-parse', `${name}^{}`], { cwd: bare }) : ''}`);
  });
  return (await Promise.all(peeled)).join('\n');
}

async function ours(store: RefStore): Promise<string> {
  const { refs } = await store.snapshot();
  return refs
    .map(({ name, oid, peeled, symref }) => `${oid} ${name} ${symref ?? ''} ${peeled ?? ''}`)
    .join('\n');
}

/** Fails unless a store and git agree on every ref and on HEAD. */
export async function sameAsGit(store: RefStore, bare: string): Promise<void> {
  assert.equal(await ours(store), await theirs(bare));
  const symref = (await tryGit(['symbolic-ref', '-q', 'HEAD'], { cwd: bare })).stdout.toString().trim();
  const oid = (await tryGit(['rev-parse', '-q', '--verify', 'HEAD'], { cwd: bare })).stdout.toString().trim();
  const { head } = await store.snapshot();
  assert.deepEqual([head.symref ?? '', head.oid ?? ''], [symref, oid]);
}
