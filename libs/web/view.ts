import { hasCode } from '#base';
import type { OpenRepository } from '#gateway';
import type { RepositoryAgent } from '#git';
import type { Application } from './application.ts';
import { codeVersion } from './assets.ts';
import { isKnown, weakTag } from './http-cache.ts';
import { page, type Markup } from './layout.ts';
import type { RepositoryName } from './links.ts';
import { repositoryFrame, type RepositoryTab } from './repository-frame.ts';
import { resolvePlace, type Place } from './revision.ts';
import type { WebContext } from './session.ts';
import { refChoices, type RefChoices } from './switcher.ts';

/** A place, and where else one can look. */
export interface LocatedPlace extends Place {
  readonly choices: RefChoices;
}

export interface RepositoryPage {
  readonly title: string;
  readonly tab: RepositoryTab | undefined;
  /** The revision that its tabs stay at; absent: the default branch. */
  readonly located?: LocatedPlace;
  readonly content: Markup;
  /** False when asking again may show more: then it is not remembered. */
  readonly lasting?: boolean;
}

/** Whether a page shows the default branch, or no revision at all. */
function isAtDefault(located: LocatedPlace | undefined): boolean {
  return located === undefined || located.revision.ref === located.choices.defaultBranch?.ref;
}

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
    const mayAdminister = identity.kind === 'user' && (await administers());
    const view = new RepositoryView(context, application, open, mayAdminister);
    context.set('view', view);
    return view;
  }

  get name(): RepositoryName {
    return { ownerLogin: this.open.record.ownerLogin, name: this.open.record.name };
  }

  get agent(): RepositoryAgent {
    return this.open.agent;
  }

  /** The place that an address names, and what else there is, all as of one moment. Throws `not_found`. */
  locate(address: string): Promise<LocatedPlace> {
    return this.agent.transaction(async (reader) => ({
      ...(await resolvePlace(reader, address)),
      choices: await refChoices(reader, this.application.settings.maxSwitcherRefs),
    }));
  }

  /** The page's body inside the frame of the repository. */
  framed({ tab, located, content }: Pick<RepositoryPage, 'tab' | 'located' | 'content'>): Markup {
    const revision = isAtDefault(located) ? undefined : located?.revision.address;
    return repositoryFrame(this.open, { tab, revision, mayAdminister: this.mayAdminister }, content);
  }

  html(shown: RepositoryPage): Response | Promise<Response> {
    const { ownerLogin, name } = this.name;
    // Every file at every commit is more than crawlers should ask for.
    if (!isAtDefault(shown.located)) this.context.header('x-robots-tag', 'noindex, nofollow');
    return this.context.html(
      page({
        title: `${shown.title} · ${ownerLogin}/${name}`,
        identity: this.context.var.identity,
        path: this.context.req.path,
        body: this.framed(shown),
      }),
    );
  }

  /**
   * Renders a page unless the browser has it as it is: `parts` is everything from the repository
   * that decides what it shows, besides its address and who looks at it.
   */
  async unlessKnown(parts: readonly unknown[], render: () => Promise<RepositoryPage>): Promise<Response> {
    const { context, open, mayAdminister } = this;
    const { identity } = context.var;
    const viewer = identity.kind === 'user' ? identity.login : undefined;
    const { description, visibility } = open.record;
    const clone = this.application.addresses();
    const tag = weakTag([
      codeVersion,
      context.req.url,
      viewer,
      mayAdminister,
      this.name,
      description,
      visibility,
      clone,
      parts,
    ]);
    if (isKnown(context.req.header('if-none-match'), tag)) {
      return context.body(null, 304, { etag: tag });
    }
    const shown = await render();
    const response = await this.html(shown);
    if (shown.lasting !== false) response.headers.set('etag', tag);
    return response;
  }
}
