import { html } from 'hono/html';
import { PackhorseError } from '#base';
import type { TagFields } from '#git';
import { shortOid } from '../format.ts';
import { commitLink, revisionLink } from '../links.ts';
import { refAddress, refExists, tagPrefix } from '../refs.ts';
import type { RepositoryPage, RepositoryView } from '../view.ts';
import { person } from './commit.ts';

function tagPage(view: RepositoryView, name: string, address: string, tag: TagFields): RepositoryPage {
  const target =
    tag.targetKind === 'commit'
      ? html`<a class="mono" href="${commitLink(view.name, tag.targetOid)}">${shortOid(tag.targetOid)}</a>
          <a href="${revisionLink(view.name, 'tree', address)}">Files</a>
          <a href="${revisionLink(view.name, 'history', address)}">History</a>`
      : html`<span class="mono">${tag.targetOid}</span>`;
  const content = html`<h2>${name}</h2>
    <p>${tag.summary}</p>
    ${tag.body === '' ? '' : html`<pre class="message" tabindex="0">${tag.body}</pre>`}
    <dl class="facts">
      ${
        tag.tagger === undefined
          ? ''
          : html`<dt>Tagger</dt>
              <dd>${person(tag.tagger)}</dd>`
      }
      <dt>${tag.targetKind === 'commit' ? 'Commit' : `Names a ${tag.targetKind}`}</dt>
      <dd>${target}</dd>
    </dl>`;
  return { title: `Tag ${name}`, tab: 'refs', content };
}

/** An annotated tag with its message; a plain one is nothing besides its commit. */
export async function showTag(view: RepositoryView, name: string): Promise<Response> {
  const ref = `${tagPrefix}${name}`;
  const { tag, address } = await view.agent.transaction(async (reader) => {
    const found = (await refExists(reader)(ref)) ? await reader.resolve(ref) : undefined;
    if (found === undefined) throw new PackhorseError('not_found', 'There is no tag of that name.');
    const tagged = found.kind === 'tag' ? await reader.tag(found.oid) : undefined;
    return { tag: tagged, address: await refAddress(ref, refExists(reader)) };
  });
  if (tag === undefined) return view.context.redirect(revisionLink(view.name, 'tree', address), 302);
  return view.unlessKnown([tag, address], async () => tagPage(view, name, address, tag));
}
