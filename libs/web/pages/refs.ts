import { html } from 'hono/html';
import type { Ref } from '#wire';
import { shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, revisionLink } from '../links.ts';
import type { RepositoryView } from '../view.ts';

/** A page of thousands of refs helps nobody and holds the event loop: this many of each kind are listed. */
const maxListed = 500;

function section(
  view: RepositoryView,
  title: string,
  refs: readonly Ref[],
  prefix: string,
  current: string | undefined,
): Markup {
  if (refs.length === 0)
    return html`<h2>${title}</h2>
      <p class="quiet">None.</p>`;
  const rows = refs.slice(0, maxListed).map((ref) => {
    const short = ref.name.slice(prefix.length);
    const oid = ref.peeled ?? ref.oid;
    return html`<tr>
      <td class="mono">
        <a href="${revisionLink(view.name, 'tree', short)}">${short}</a>
        ${ref.name === current ? html`<span class="tag">default</span>` : ''}
      </td>
      <td class="when mono"><a href="${commitLink(view.name, oid)}">${shortOid(oid)}</a></td>
    </tr>`;
  });
  return html`<h2>${title} <span class="quiet">${refs.length.toLocaleString('en')}</span></h2>
    <section class="panel">
      <table class="files">
        <tbody>
          ${rows}
        </tbody>
      </table>
    </section>
    ${refs.length > maxListed ? html`<p class="quiet">Only the first ${String(maxListed)} are listed.</p>` : ''}`;
}

export async function showRefs(view: RepositoryView): Promise<Response> {
  const { head, branches, tags } = await view.open.agent.transaction(async (reader) => ({
    head: await reader.head(),
    branches: await reader.refs('refs/heads/'),
    tags: await reader.refs('refs/tags/'),
  }));
  const revision = head.oid === undefined ? undefined : (head.symref?.replace('refs/heads/', '') ?? head.oid);
  return view.html(
    'Branches and tags',
    'refs',
    revision,
    html`${section(view, 'Branches', branches, 'refs/heads/', head.symref)}${section(view, 'Tags', tags.toReversed(), 'refs/tags/', undefined)}`,
  );
}
