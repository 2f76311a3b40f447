import { decide } from '#accounts';
import type { OpenRepository } from '#gateway';
import type { Application } from './application.ts';
import { page, type Markup } from './layout.ts';
import { repositoryFrame, type RepositoryTab } from './repository-frame.ts';
import type { WebContext } from './session.ts';

/** One request for a page about a repository, which the visitor may read. */
export class RepositoryView {
  readonly context: WebContext;
  readonly application: Application;
  readonly open: OpenRepository;

  constructor(context: WebContext, application: Application, open: OpenRepository) {
    this.context = context;
    this.application = application;
    this.open = open;
  }

  get name(): { readonly ownerLogin: string; readonly name: string } {
    return { ownerLogin: this.open.record.ownerLogin, name: this.open.record.name };
  }

  get mayAdminister(): boolean {
    return decide(this.context.var.identity, this.open.record, undefined, 'admin') === 'allow';
  }

  html(
    title: string,
    tab: RepositoryTab | undefined,
    revision: string | undefined,
    content: Markup,
  ): Response | Promise<Response> {
    const { record } = this.open;
    return this.context.html(
      page({
        title: `${title} · ${record.ownerLogin}/${record.name}`,
        identity: this.context.var.identity,
        path: this.context.req.path,
        body: repositoryFrame(this.open, { tab, revision, mayAdminister: this.mayAdminister }, content),
      }),
    );
  }
}
