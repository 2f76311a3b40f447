import { html } from 'hono/html';
import type { OpenRepository } from '#gateway';
import type { Markup } from './layout.ts';
import { compareLink, ownerLink, refsLink, repositoryLink, revisionLink } from './links.ts';

export type RepositoryTab = 'files' | 'history' | 'refs' | 'compare' | 'settings';

export interface RepositoryFrame {
  readonly tab: RepositoryTab | undefined;
  /** The revision that the page shows; absent: the default branch, as far as there is one. */
  readonly revision?: string | undefined;
  readonly mayAdminister: boolean;
}

/** The head of every page about one repository: its name and the ways into it. */
export function repositoryFrame({ record }: OpenRepository, frame: RepositoryFrame, content: Markup): Markup {
  const name = { ownerLogin: record.ownerLogin, name: record.name };
  const tab = (id: RepositoryTab, address: string, label: string): Markup =>
    html`<li><a href="${address}" ${frame.tab === id ? html`aria-current="page"` : ''}>${label}</a></li>`;
  const { revision } = frame;
  return html`<h1>
      <a href="${ownerLink(record.ownerLogin)}">${record.ownerLogin}</a><span class="quiet"> / </span
      ><a href="${repositoryLink(name)}">${record.name}</a>
      <span class="tag">${record.visibility}</span>
    </h1>
    ${record.description === '' ? '' : html`<p class="quiet">${record.description}</p>`}
    <nav aria-label="Repository">
      <ul class="tabs">
        ${tab('files', revision === undefined ? repositoryLink(name) : revisionLink(name, 'tree', revision), 'Files')}
        ${tab('history', revisionLink(name, 'history', revision ?? 'HEAD'), 'History')}
        ${tab('refs', refsLink(name), 'Branches and tags')} ${tab('compare', compareLink(name), 'Compare')}
        ${frame.mayAdminister ? tab('settings', `${repositoryLink(name)}/settings`, 'Settings') : ''}
      </ul>
    </nav>
    ${content}`;
}
