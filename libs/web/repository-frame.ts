import { html } from 'hono/html';
import type { OpenRepository } from '#gateway';
import type { Markup } from './layout.ts';
import { repositoryLink, revisionLink } from './links.ts';

export type RepositoryTab = 'files' | 'history' | 'refs' | 'settings';

/** The head of every page about one repository: its name and the ways into it. */
export function repositoryFrame(
  { record }: OpenRepository,
  options: {
    readonly tab: RepositoryTab | undefined;
    readonly revision: string | undefined;
    readonly mayAdminister: boolean;
  },
  content: Markup,
): Markup {
  const name = { ownerLogin: record.ownerLogin, name: record.name };
  const tab = (id: RepositoryTab, address: string, label: string): Markup =>
    html`<li><a href="${address}" ${options.tab === id ? html`aria-current="page"` : ''}>${label}</a></li>`;
  const { revision } = options;
  return html`<h1>
      <a href="/${record.ownerLogin}">${record.ownerLogin}</a> /
      <a href="${repositoryLink(name)}">${record.name}</a>
      <span class="tag">${record.visibility}</span>
    </h1>
    ${record.description === '' ? '' : html`<p class="quiet">${record.description}</p>`}
    <nav aria-label="Repository">
      <ul class="tabs">
        ${tab('files', repositoryLink(name), 'Files')}
        ${revision === undefined ? '' : tab('history', revisionLink(name, 'history', revision), 'History')}
        ${tab('refs', `${repositoryLink(name)}/refs`, 'Branches and tags')}
        ${options.mayAdminister ? tab('settings', `${repositoryLink(name)}/settings`, 'Settings') : ''}
      </ul>
    </nav>
    ${content}`;
}

/** The path as links to each directory above. */
export function breadcrumbs(open: OpenRepository, revision: string, path: string): Markup {
  const name = { ownerLogin: open.record.ownerLogin, name: open.record.name };
  const segments = path.split('/').filter((segment) => segment !== '');
  const crumbs = segments.map((segment, index) =>
    index === segments.length - 1
      ? html` / <strong>${segment}</strong>`
      : html` /
          <a href="${revisionLink(name, 'tree', revision, segments.slice(0, index + 1).join('/'))}"
            >${segment}</a
          >`,
  );
  return html`<nav aria-label="Path" class="mono">
    <a href="${revisionLink(name, 'tree', revision)}">${open.record.name}</a>${crumbs}
  </nav>`;
}
