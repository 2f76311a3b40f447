import { html } from 'hono/html';
import type { RepositoryRole, Visibility } from '#accounts';
import { hasCode, PackhorseError } from '#base';
import { count, formatSize, formatTime } from '../format.ts';
import type { Markup } from '../layout.ts';
import { ownerLink, repositoryLink } from '../links.ts';
import type { RepositoryView } from '../view.ts';

const roles: readonly RepositoryRole[] = ['reader', 'writer', 'admin'];

function requireAdmin(view: RepositoryView): void {
  if (!view.mayAdminister)
    throw new PackhorseError(
      'permission_denied',
      'Only administrators of this repository can see its settings.',
    );
}

async function people(view: RepositoryView, address: string): Promise<Markup> {
  const { repositories } = view.application.accounts;
  const collaborators = await repositories.collaborators(view.context.var.identity, view.open.record.id);
  const rows = collaborators.map(
    ({ login, role }) =>
      html`<li>
        <strong>${login}</strong> <span class="tag">${role}</span>
        <form method="post" action="${address}/people">
          <input type="hidden" name="login" value="${login}" /><input type="hidden" name="role" value="" />
          <button type="submit" class="danger" aria-label="Remove ${login}">Remove</button>
        </form>
      </li>`,
  );
  return html`<h2>People</h2>
    ${
      rows.length === 0
        ? html`<p class="quiet">Nobody besides the owner.</p>`
        : html`<section class="panel">
            <ul class="list">
              ${rows}
            </ul>
          </section>`
    }
    <form method="post" action="${address}/people" class="stack">
      <div>
        <label for="login">Name</label><input id="login" name="login" autocapitalize="none" required />
      </div>
      <div>
        <label for="role">Role</label
        ><select id="role" name="role">
          ${roles.map((role) => html`<option value="${role}">${role}</option>`)}
        </select>
      </div>
      <div><button type="submit">Add</button></div>
    </form>`;
}

/** What operators ask for first when a repository is slow or large. */
async function upkeep(view: RepositoryView): Promise<Markup> {
  const { sizeBytes, packs, looseObjects, maintenance } = await view.open.agent.facts();
  const { lastRunAtMs, lastFailure, bitmap, commitsInGraph, commitsOutsideGraph } = maintenance;
  const rows: readonly (readonly [string, string | Markup])[] = [
    ['Size', `${formatSize(sizeBytes)}: ${count(packs, 'pack')}, ${count(looseObjects, 'loose object')}`],
    ['Bitmap', bitmap],
    ['Commit-graph', `${count(commitsInGraph, 'commit')}, ${commitsOutsideGraph} not in it`],
    ['Garbage', `${count(maintenance.garbageFiles, 'file')}, ${formatSize(maintenance.garbageBytes)}`],
    ['Unreachable', count(maintenance.unreachableObjects, 'object')],
    ['Maintained', lastRunAtMs === undefined ? 'never' : formatTime(lastRunAtMs)],
    ...(lastFailure === undefined ? [] : ([['Last failure', lastFailure]] as const)),
  ];
  return html`<h2>On disk</h2>
    <dl class="facts">
      ${rows.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>`;
}

async function show(view: RepositoryView, problem: string | undefined): Promise<Response> {
  requireAdmin(view);
  const { record } = view.open;
  const address = `${repositoryLink(view.name)}/settings`;
  const option = (visibility: Visibility, label: string): Markup =>
    html`<option value="${visibility}" ${record.visibility === visibility ? 'selected' : ''}>
      ${label}
    </option>`;
  if (problem !== undefined) view.context.status(400);
  return view.html({
    title: 'Settings',
    tab: 'settings',
    content: html`${problem === undefined ? '' : html`<p class="notice error" role="alert">${problem}</p>`}
      <h2>Repository</h2>
      <form method="post" action="${address}" class="stack">
        <div>
          <label for="description">Description</label
          ><input id="description" name="description" value="${record.description}" />
        </div>
        <div>
          <label for="visibility">Visibility</label
          ><select id="visibility" name="visibility">
            ${option('public', 'public: everyone can read it')}${option('private', 'private: only people named below')}
          </select>
        </div>
        <div><button type="submit">Save</button></div>
      </form>
      ${await people(view, address)} ${await upkeep(view)}
      <h2>Delete</h2>
      <p>This removes the repository with everything in it. It cannot be undone.</p>
      <form method="post" action="${address}/delete" class="stack">
        <div>
          <label for="confirm">Type ${record.name} to confirm</label
          ><input id="confirm" name="confirm" autocomplete="off" required />
        </div>
        <div><button type="submit" class="danger">Delete this repository</button></div>
      </form>`,
  });
}

export async function showRepositorySettings(view: RepositoryView): Promise<Response> {
  return show(view, undefined);
}

type Fields = (name: string) => string;

async function save(view: RepositoryView, field: Fields): Promise<string> {
  const visibility: Visibility = field('visibility') === 'private' ? 'private' : 'public';
  await view.application.accounts.repositories.update(view.context.var.identity, view.open.record.id, {
    description: field('description'),
    visibility,
  });
  return `${repositoryLink(view.name)}/settings`;
}

async function grant(view: RepositoryView, field: Fields): Promise<string> {
  const role = roles.find((known) => known === field('role'));
  await view.application.accounts.repositories.grant(
    view.context.var.identity,
    view.open.record.id,
    field('login'),
    role,
  );
  return `${repositoryLink(view.name)}/settings`;
}

async function remove(view: RepositoryView, field: Fields): Promise<string> {
  if (field('confirm') !== view.open.record.name) {
    throw new PackhorseError(
      'invalid_argument',
      'Type the name of the repository to confirm that it is to be deleted.',
    );
  }
  await view.application.repositories.remove(view.context.var.identity, view.name.ownerLogin, view.name.name);
  return ownerLink(view.name.ownerLogin);
}

export const repositoryChanges = { save, grant, remove } as const;

/** Applies one form, then leads to the page that shows its effect. */
export async function changeRepository(
  view: RepositoryView,
  change: (view: RepositoryView, field: Fields) => Promise<string>,
): Promise<Response> {
  requireAdmin(view);
  const fields = await view.context.req.parseBody();
  const field: Fields = (name) => (typeof fields[name] === 'string' ? fields[name].trim() : '');
  try {
    return view.context.redirect(await change(view, field), 303);
  } catch (thrown) {
    if (!hasCode(thrown, 'invalid_argument', 'not_found', 'already_exists')) throw thrown;
    return show(view, thrown.message);
  }
}
