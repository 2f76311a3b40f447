import { html } from 'hono/html';
import { collect } from '#base';
import type { TreeEntry } from '#git';
import type { Markup } from '../layout.ts';
import { revisionLink } from '../links.ts';
import type { Place } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

/** Longer targets than a file system can follow are not read. */
const maxTargetBytes = 4096;

/** Where a link at `path` leads, from the root of the repository; undefined when it leads out of it. */
export function linkTarget(path: string, target: string): string | undefined {
  if (target.startsWith('/')) return undefined;
  const names = path.split('/').slice(0, -1);
  for (const name of target.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined) return undefined;
  }
  return names.join('/');
}

/** What a symbolic link says, and the way there when that is inside the repository. */
export async function symbolicLink(view: RepositoryView, place: Place, entry: TreeEntry): Promise<Markup> {
  const { sizeBytes } = await view.agent.blob(entry.oid);
  if (sizeBytes > maxTargetBytes) return html`This is a symbolic link whose target is too long to be one.`;
  const text = (await collect(view.agent.blobContent(entry.oid), maxTargetBytes)).toString();
  const target = linkTarget(place.path, text);
  const there = target === undefined ? undefined : await view.agent.entry(place.revision.commitOid, target);
  if (target === undefined || there === undefined)
    return html`This is a symbolic link to <code>${text}</code>.`;
  return html`This is a symbolic link to
    <a class="mono" href="${revisionLink(view.name, 'blob', place.revision.address, target)}">${text}</a>.`;
}
