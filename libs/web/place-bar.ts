import { html } from 'hono/html';
import type { Markup } from './layout.ts';
import { refsLink, revisionLink, type RepositoryName, type RevisionPage } from './links.ts';
import { switcher } from './switcher.ts';
import type { LocatedPlace } from './view.ts';

/** The path as links to each directory above. */
function breadcrumbs(name: RepositoryName, { revision, path }: LocatedPlace): Markup {
  if (path === '') return html``;
  const segments = path.split('/');
  const crumbs = segments.map((segment, index) =>
    index === segments.length - 1
      ? html`/<strong>${segment}</strong>`
      : html`/<a
            href="${revisionLink(name, 'tree', revision.address, segments.slice(0, index + 1).join('/'))}"
            >${segment}</a
          >`,
  );
  return html`<nav aria-label="Path" class="path">
    <a href="${revisionLink(name, 'tree', revision.address)}">${name.name}</a>${crumbs}
  </nav>`;
}

/** Where one is, and the same place at other revisions. */
export function placeBar(
  name: RepositoryName,
  located: LocatedPlace,
  page: RevisionPage,
  more?: Markup,
): Markup {
  const { revision, path, choices } = located;
  const links = {
    address: (other: string) => revisionLink(name, page, other, path),
    all: refsLink(name),
  };
  return html`<div class="bar">
    ${switcher(revision, choices, links)}${breadcrumbs(name, located)}${more ?? ''}
  </div>`;
}

/** The same page at the commit's own id, where it stays as it is whatever is pushed. */
export function permalink(
  name: RepositoryName,
  { revision, path }: LocatedPlace,
  page: RevisionPage,
): Markup {
  return revision.address === revision.commitOid
    ? html``
    : html`<a href="${revisionLink(name, page, revision.commitOid, path)}" rel="nofollow">Permalink</a>`;
}
