import { html } from 'hono/html';
import type { CommitFields } from '#git';
import { formatTime, shortOid } from './format.ts';
import type { Markup } from './layout.ts';
import { commitLink, revisionLink, type RepositoryName } from './links.ts';

function item(name: RepositoryName, commit: CommitFields, path: string): Markup {
  const address = commitLink(name, commit.oid);
  return html`<li>
    <a class="grow" href="${address}">${commit.summary === '' ? '(no message)' : commit.summary}</a>
    <span class="quiet"
      >${commit.author.name}, ${formatTime(commit.author.timestampMs)}
      <a href="${address}" class="mono" aria-label="Commit ${shortOid(commit.oid)}"
        >${shortOid(commit.oid)}</a
      >
      <a
        href="${revisionLink(name, 'tree', commit.oid, path)}"
        rel="nofollow"
        aria-label="Files at ${shortOid(commit.oid)}"
        >Files</a
      ></span
    >
  </li>`;
}

/** Commits, one below the other; `path` is what their files are looked at for. */
export function commitList(name: RepositoryName, commits: readonly CommitFields[], path = ''): Markup {
  return html`<section class="panel" aria-label="Commits">
    <ol class="list commits">
      ${commits.map((commit) => item(name, commit, path))}
    </ol>
  </section>`;
}
