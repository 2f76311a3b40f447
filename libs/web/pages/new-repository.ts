import { html } from 'hono/html';
import { hasCode, PackhorseError } from '#base';
import type { Application } from '../application.ts';
import { page, type Markup } from '../layout.ts';
import { repositoryLink } from '../links.ts';
import type { WebContext } from '../session.ts';

interface Values {
  readonly name: string;
  readonly description: string;
  readonly isPrivate: boolean;
}

function form(values: Values, problem: string | undefined): Markup {
  return html`<h1>New repository</h1>
    ${problem === undefined ? '' : html`<p class="notice error" role="alert">${problem}</p>`}
    <form method="post" action="/new" class="stack">
      <div>
        <label for="name">Name</label
        ><input id="name" name="name" value="${values.name}" autocapitalize="none" required autofocus />
      </div>
      <div>
        <label for="description">Description</label
        ><input id="description" name="description" value="${values.description}" />
      </div>
      <div>
        <label
          ><input type="checkbox" name="private" ${values.isPrivate ? 'checked' : ''} /> Private: only people
          you invite can see it</label
        >
      </div>
      <div><button type="submit">Create</button></div>
    </form>`;
}

function requireUser(context: WebContext): { readonly login: string } {
  const { identity } = context.var;
  if (identity.kind === 'anonymous')
    throw new PackhorseError('unauthenticated', 'Sign in to create a repository.');
  return identity;
}

export async function showNewRepository(context: WebContext): Promise<Response> {
  requireUser(context);
  const body = form({ name: '', description: '', isPrivate: false }, undefined);
  return context.html(page({ title: 'New repository', identity: context.var.identity, path: '/new', body }));
}

export async function createRepository(context: WebContext, application: Application): Promise<Response> {
  const { login } = requireUser(context);
  const fields = await context.req.parseBody();
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name].trim() : '');
  const values = { name: text('name'), description: text('description'), isPrivate: text('private') !== '' };
  try {
    const { record } = await application.repositories.create(context.var.identity, {
      ownerLogin: login,
      name: values.name,
      description: values.description,
      visibility: values.isPrivate ? 'private' : 'public',
    });
    return context.redirect(repositoryLink({ ownerLogin: record.ownerLogin, name: record.name }), 303);
  } catch (thrown) {
    if (!hasCode(thrown, 'invalid_argument', 'already_exists')) throw thrown;
    const body = form(values, thrown.message);
    return context.html(
      page({ title: 'New repository', identity: context.var.identity, path: '/new', body }),
      400,
    );
  }
}
