import { html } from 'hono/html';
import type { CommitFields, Signature } from '#git';
import { formatTime, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, revisionLink } from '../links.ts';
import { resolveRevision } from '../revision.ts';
import type { RepositoryPage, RepositoryView } from '../view.ts';
import { changes } from './diff.ts';

export function person({ name, email, timestampMs }: Signature): Markup {
  return html`<strong>${name}</strong> <span class="quiet">&lt;${email}&gt;</span>, ${formatTime(timestampMs)}`;
}

function isSame(one: Signature, other: Signature): boolean {
  return one.name === other.name && one.email === other.email;
}

function facts(view: RepositoryView, commit: CommitFields): Markup {
  const { author, committer, parents } = commit;
  const parentLinks = parents.map(
    (oid) => html`<a class="mono" href="${commitLink(view.name, oid)}">${shortOid(oid)}</a> `,
  );
  return html`<dl class="facts">
    <dt>Author</dt>
    <dd>${person(author)}</dd>
    ${
      isSame(author, committer)
        ? ''
        : html`<dt>Committer</dt>
            <dd>${person(committer)}</dd>`
    }
    <dt>Commit</dt>
    <dd>
      <span class="mono">${commit.oid}</span>
      <a href="${revisionLink(view.name, 'tree', commit.oid)}" rel="nofollow">Files</a>
      <a href="${revisionLink(view.name, 'history', commit.oid)}" rel="nofollow">History</a>
    </dd>
    ${
      parents.length === 0
        ? ''
        : html`<dt>${parents.length === 1 ? 'Parent' : 'Parents'}</dt>
            <dd>${parentLinks}</dd>`
    }
  </dl>`;
}

async function commitPage(view: RepositoryView, commit: CommitFields): Promise<RepositoryPage> {
  const parent = commit.parents[0];
  const diff = await view.agent.diff({ newOid: commit.oid, ...(parent !== undefined && { oldOid: parent }) });
  const isMerge = commit.parents.length > 1;
  const content = html`<h2>${commit.summary === '' ? '(no message)' : commit.summary}</h2>
    ${commit.body === '' ? '' : html`<pre class="message" tabindex="0">${commit.body}</pre>`}
    ${facts(view, commit)}
    ${isMerge ? html`<p class="quiet">This is a merge: what it brought in, compared with its first parent.</p>` : ''}
    ${await changes(view, commit.oid, diff)}`;
  return { title: commit.summary, tab: undefined, content };
}

/** One commit and what it changed against its first parent. */
export async function showCommit(view: RepositoryView, address: string): Promise<Response> {
  const { commitOid } = await view.agent.transaction((reader) => resolveRevision(reader, address));
  const commit = await view.agent.commit(commitOid);
  return view.unlessKnown([commit.oid], () => commitPage(view, commit));
}
