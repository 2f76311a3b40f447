import { html } from 'hono/html';
import { collect } from '#base';
import type { TreeEntry } from '#git';
import type { Markup } from '../layout.ts';
import type { Place } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

const maxGitmodulesBytes = 256 * 1024;

/** The `url` of the submodule at `path` as `.gitmodules` (gitmodules(5)) has it. */
export function submoduleUrl(gitmodules: string, path: string): string | undefined {
  let section: { path?: string; url?: string } = {};
  for (const line of `${gitmodules}\n[`.split('\n')) {
    if (line.trimStart().startsWith('[')) {
      if (section.path === path) return section.url;
      section = {};
    }
    const [, key = '', value = ''] = /^\s*(path|url)\s*=\s*"?(.*?)"?\s*$/i.exec(line) ?? [];
    if (key.toLowerCase() === 'path') section.path = value;
    if (key.toLowerCase() === 'url') section.url = value;
  }
  return undefined;
}

async function urlOf(view: RepositoryView, place: Place): Promise<string | undefined> {
  const entry = await view.agent.entry(place.revision.commitOid, '.gitmodules');
  if (entry === undefined || entry.kind !== 'file') return undefined;
  const { sizeBytes } = await view.agent.blob(entry.oid);
  if (sizeBytes > maxGitmodulesBytes) return undefined;
  return submoduleUrl(
    (await collect(view.agent.blobContent(entry.oid), maxGitmodulesBytes)).toString(),
    place.path,
  );
}

/** Which commit of which repository is here. */
export async function submodule(view: RepositoryView, place: Place, entry: TreeEntry): Promise<Markup> {
  const url = await urlOf(view, place);
  const commit = html`commit <span class="mono">${entry.oid}</span>`;
  if (url === undefined) return html`Another repository belongs here, at ${commit}.`;
  // A URL of a repository may be of any kind; a link is made of those that a browser opens.
  const repository = /^https?:\/\//i.test(url)
    ? html`<a href="${url}" rel="nofollow noopener">${url}</a>`
    : html`<code>${url}</code>`;
  return html`The repository ${repository} belongs here, at ${commit}.`;
}
