import { html } from 'hono/html';
import type { RepositoryRecord } from '#accounts';
import { PackhorseError } from '#base';
import type { Application } from '../application.ts';
import { page, type Markup } from '../layout.ts';
import { repositoryLink } from '../links.ts';
import type { WebContext } from '../session.ts';

function item(record: RepositoryRecord): Markup {
  return html`<li>
    <a href="${repositoryLink({ ownerLogin: record.ownerLogin, name: record.name })}"
      >${record.ownerLogin}/<strong>${record.name}</strong></a
    >
    ${record.visibility === 'private' ? html`<span class="tag">private</span>` : ''}
    ${record.description === '' ? '' : html`<br /><span class="quiet">${record.description}</span>`}
  </li>`;
}

function list(records: readonly RepositoryRecord[], nextAddress: string | undefined, empty: Markup): Markup {
  if (records.length === 0) return html`<p class="quiet">${empty}</p>`;
  return html`<section class="panel">
      <ul class="list">
        ${records.map(item)}
      </ul>
    </section>
    ${nextAddress === undefined ? '' : html`<nav class="pages" aria-label="Pages"><a href="${nextAddress}" rel="next">Next page</a></nav>`}`;
}

async function load(
  context: WebContext,
  application: Application,
  ownerLogin: string | undefined,
): Promise<{ readonly records: readonly RepositoryRecord[]; readonly next: string | undefined }> {
  const after = context.req.query('after');
  const { pageItems } = application.settings;
  const records = await application.accounts.repositories.list(context.var.identity, {
    limit: pageItems + 1,
    ...(after !== undefined && { after }),
    ...(ownerLogin !== undefined && { ownerLogin }),
  });
  const shown = records.slice(0, pageItems);
  const last = shown.at(-1);
  const next =
    records.length > pageItems && last !== undefined
      ? `${context.req.path}?after=${encodeURIComponent(`${last.ownerLogin}/${last.name}`)}`
      : undefined;
  return { records: shown, next };
}

/** Everything that the visitor may see. */
export async function showRepositories(context: WebContext, application: Application): Promise<Response> {
  const { identity } = context.var;
  const { records, next } = await load(context, application, undefined);
  const empty = html`There is no repository that you can see yet.
  ${identity.kind === 'anonymous' ? 'Sign in to see your own.' : ''}`;
  return context.html(
    page({
      title: 'Repositories',
      identity,
      path: '/',
      body: html`<h1>Repositories</h1>
        ${identity.kind === 'user' ? html`<p><a href="/new">New repository</a></p>` : ''}
        ${list(records, next, empty)}`,
    }),
  );
}

/** One owner's repositories, as far as the visitor may see them. */
export async function showOwner(
  context: WebContext,
  application: Application,
  login: string,
): Promise<Response> {
  const user = await application.accounts.users.find(login);
  if (user === undefined) throw new PackhorseError('not_found', 'There is nobody of that name here.');
  const { records, next } = await load(context, application, user.login);
  return context.html(
    page({
      title: user.login,
      identity: context.var.identity,
      path: context.req.path,
      body: html`<h1>${user.login}</h1>
        ${list(records, next, html`No repository that you can see.`)}`,
    }),
  );
}
