import type { ObjectFormat, Oid } from '#base';
import { RefFiles } from './refs/ref-files.ts';
import type { Storage } from './storage.ts';
import { unlessMissing } from './volume/disk.ts';

/** Alternates of alternates are followed this far, as git does. */
const maxDepth = 5;

/** The object directories that a repository borrows from (gitrepository-layout, `objects/info/alternates`). */
export async function alternateObjectDirectories(
  storage: Storage,
  gitDir: string,
): Promise<readonly string[]> {
  const found = new Set<string>();
  const visit = async (objects: string, depth: number): Promise<void> => {
    const text = await unlessMissing(storage.disk.read(`${objects}/info/alternates`));
    for (const line of text?.toString().split('\n') ?? []) {
      if (line === '' || line.startsWith('#')) continue;
      const path = line.startsWith('/') ? line : `${objects}/${line}`;
      if (found.has(path)) continue;
      found.add(path);
      if (depth < maxDepth) await visit(path, depth + 1);
    }
  };
  await visit(`${gitDir}/objects`, 0);
  return [...found];
}

/** What the refs of the repositories name that this one borrows from: objects that need not be sent. */
export async function alternateTips(
  storage: Storage,
  gitDir: string,
  format: ObjectFormat,
): Promise<readonly Oid[]> {
  const tips = new Set<Oid>();
  for (const objects of await alternateObjectDirectories(storage, gitDir)) {
    if (!objects.endsWith('/objects')) continue;
    const { disk, clock } = storage;
    const files = new RefFiles(objects.slice(0, -'/objects'.length), {
      disk,
      format,
      nowMs: () => clock.nowMs(),
    });
    const state = await files.refresh();
    for (const ref of state.packed.refs) if (!state.loose.has(ref.name)) tips.add(ref.oid);
    for (const value of state.loose.values()) if (value.kind === 'oid') tips.add(value.oid);
  }
  return [...tips];
}
