import { html } from 'hono/html';
import { hasCode, PackhorseError } from '#base';
import type { RepositoryReader } from '#git';
import { commitList } from '../commit-list.ts';
import { count } from '../format.ts';
import type { Markup } from '../layout.ts';
import { compareLink, revisionLink } from '../links.ts';
import { resolveRevision, type Revision } from '../revision.ts';
import { refChoices, type RefChoices } from '../switcher.ts';
import type { RepositoryPage, RepositoryView } from '../view.ts';
import { changes } from './diff.ts';

interface Values {
  readonly base: string;
  readonly head: string;
}

interface Range {
  readonly base: Revision;
  readonly head: Revision;
}

function form(view: RepositoryView, values: Values, choices: RefChoices, problem?: string): Markup {
  const options = [...choices.branches, ...choices.tags].map(
    ({ address }) => html`<option value="${address}"></option>`,
  );
  return html`<h2>Compare</h2>
    ${problem === undefined ? '' : html`<p class="notice error" role="alert">${problem}</p>`}
    <form action="${compareLink(view.name)}" class="compare">
      <div>
        <label for="base">From</label
        ><input id="base" name="base" list="refs" value="${values.base}" autocapitalize="none" required />
      </div>
      <div>
        <label for="head">To</label
        ><input id="head" name="head" list="refs" value="${values.head}" autocapitalize="none" required />
      </div>
      <button type="submit">Compare</button>
      <datalist id="refs">${options}</datalist>
    </form>`;
}

/** What `head` has and `base` has not: its commits, and the changes since they parted. */
async function comparison(view: RepositoryView, { base, head }: Range): Promise<Markup> {
  const { agent } = view;
  const { pageItems } = view.application.settings;
  const [{ ahead, behind }, mergeBase, history] = await Promise.all([
    agent.aheadBehind(head.commitOid, base.commitOid),
    agent.mergeBase(base.commitOid, head.commitOid),
    agent.history({ from: head.commitOid, notIn: base.commitOid, skip: 0, limit: pageItems }),
  ]);
  if (ahead === 0 && behind === 0)
    return html`<p><strong>${head.label}</strong> and <strong>${base.label}</strong> are the same.</p>`;
  const summary = html`<p>
    <strong>${head.label}</strong> is ${count(ahead, 'commit')} ahead of
    <strong>${base.label}</strong>${behind === 0 ? '' : ` and ${count(behind, 'commit')} behind`}.
    <a href="${compareLink(view.name, { base: head.address, head: base.address })}" rel="nofollow"
      >The other way round</a
    >
  </p>`;
  if (ahead === 0) return summary;
  const more = html`<p>
    ${count(ahead - history.commits.length, 'more commit')}, see the
    <a href="${revisionLink(view.name, 'history', head.address)}" rel="nofollow">history of ${head.label}</a>.
  </p>`;
  const list = html`${summary} ${commitList(view.name, history.commits)} ${history.hasMore ? more : ''}`;
  if (mergeBase === undefined)
    return html`${list}
      <p class="notice">They have no commit in common, so there are no changes to show.</p>`;
  const diff = await agent.diff({ oldOid: mergeBase, newOid: head.commitOid });
  return html`${list} ${await changes(view, head.commitOid, diff)}`;
}

async function resolveRange(
  reader: RepositoryReader,
  { base, head }: Values,
): Promise<Range | PackhorseError> {
  try {
    return { base: await resolveRevision(reader, base), head: await resolveRevision(reader, head) };
  } catch (thrown) {
    if (hasCode(thrown, 'not_found', 'invalid_argument')) return thrown;
    throw thrown;
  }
}

/** The form, filled with the default branch. */
export async function showCompareForm(view: RepositoryView): Promise<Response> {
  const { context } = view;
  const [base, head] = [context.req.query('base')?.trim(), context.req.query('head')?.trim()];
  if (base !== undefined && head !== undefined && base !== '' && head !== '') {
    return context.redirect(compareLink(view.name, { base, head }), 302);
  }
  const choices = await refChoices(view.agent, view.application.settings.maxSwitcherRefs);
  const first = choices.defaultBranch?.address ?? '';
  const content = form(view, { base: base ?? first, head: head ?? '' }, choices);
  return view.html({ title: 'Compare', tab: 'compare', content });
}

/** `/OWNER/NAME/compare/BASE...HEAD`, as `git diff BASE...HEAD` and `git log BASE..HEAD`. */
export async function showComparison(view: RepositoryView, address: string): Promise<Response> {
  const [base, head, ...rest] = address.split('...');
  if (base === undefined || head === undefined || base === '' || head === '' || rest.length > 0) {
    throw new PackhorseError('invalid_argument', 'Two revisions are compared as BASE...HEAD.');
  }
  const values = { base, head };
  const { range, choices } = await view.agent.transaction(async (reader) => ({
    range: await resolveRange(reader, values),
    choices: await refChoices(reader, view.application.settings.maxSwitcherRefs),
  }));
  const title = `${base}...${head}`;
  if (range instanceof PackhorseError) {
    view.context.status(range.code === 'not_found' ? 404 : 400);
    return view.html({ title, tab: 'compare', content: form(view, values, choices, range.message) });
  }
  return view.unlessKnown([range, choices], async (): Promise<RepositoryPage> => {
    const content = html`${form(view, values, choices)} ${await comparison(view, range)}`;
    return { title, tab: 'compare', content };
  });
}
