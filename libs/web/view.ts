import { hasCode } from '#base';
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
  /** Whether the visitor may change the repository's settings. */
  readonly mayAdminister: boolean;

  private constructor(
    context: WebContext,
    application: Application,
    open: OpenRepository,
    mayAdminister: boolean,
  ) {
    this.context = context;
    this.application = application;
    this.open = open;
    this.mayAdminister = mayAdminister;
  }

  /** Opens `/OWNER/NAME`. Throws what the gateway throws when the visitor may not read it. */
  static async of(context: WebContext, application: Application): Promise<RepositoryView> {
    const { owner = '', name = '' } = context.req.param();
    const { identity } = context.var;
    const open = await application.repositories.open(identity, owner, name, 'read');
    const administers = async (): Promise<boolean> => {
      try {
        await application.accounts.repositories.authorise(identity, owner, name, 'admin');
        return true;
      } catch (thrown) {
        if (hasCode(thrown, 'permission_denied', 'unauthenticated', 'not_found')) return false;
        throw thrown;
      }
    };
    return new RepositoryView(context, application, open, identity.kind === 'user' && (await administers()));
  }

  get name(): { readonly ownerLogin: string; readonly name: string } {
    return { ownerLogin: this.open.record.ownerLogin, name: this.open.record.name };
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
