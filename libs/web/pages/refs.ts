import { html } from 'hono/html';
import { hasCode } from '#base';
import type { RepositoryReader } from '#git';
import type { Ref } from '#wire';
import { formatTime, offset, shortOid } from '../format.ts';
import type { Markup } from '../layout.ts';
import { commitLink, compareLink, revisionLink, tagLink } from '../links.ts';
import { branchPrefix, refAddress, refExists, shortName, tagPrefix } from '../refs.ts';
import { newestVersionsFirst } from '../version-order.ts';
import type { RepositoryPage, RepositoryView } from '../view.ts';

interface RefRow {
  readonly ref: Ref;
  readonly name: string;
  readonly address: string;
  /** Absent when the ref leads to no commit. */
  readonly summary: string | undefined;
  readonly timestampMs: number | undefined;
}

async function row(reader: RepositoryReader, ref: Ref): Promise<RefRow> {
  const name = shortName(ref.name);
  const address = await refAddress(ref.name, refExists(reader));
  try {
    const { summary, committer } = await reader.commit(ref.peeled ?? ref.oid);
    return { ref, name, address, summary, timestampMs: committer.timestampMs };
  } catch (thrown) {
    if (!hasCode(thrown, 'invalid_argument', 'not_found')) throw thrown;
    return { ref, name, address, summary: undefined, timestampMs: undefined };
  }
}

/** One kind of ref, as far as it is on this page. */
interface RefList {
  readonly kind: 'branches' | 'tags';
  readonly rows: readonly RefRow[];
  readonly from: number;
  readonly total: number;
}

async function listOf(
  reader: RepositoryReader,
  kind: RefList['kind'],
  from: number,
  limit: number,
): Promise<RefList> {
  const refs = await reader.refs(kind === 'branches' ? branchPrefix : tagPrefix);
  const shown = kind === 'branches' ? refs.slice(from, from + limit) : newestVersionsFirst(refs, limit, from);
  return { kind, rows: await Promise.all(shown.map((ref) => row(reader, ref))), from, total: refs.length };
}

function tableRow(
  view: RepositoryView,
  { ref, name, address, summary, timestampMs }: RefRow,
  defaultBranch: RefRow | undefined,
): Markup {
  const isTag = ref.name.startsWith(tagPrefix);
  const isDefault = ref.name === defaultBranch?.ref.name;
  const isAnnotated = ref.peeled !== undefined && ref.peeled !== ref.oid;
  const oid = ref.peeled ?? ref.oid;
  const place =
    summary === undefined
      ? isAnnotated
        ? tagLink(view.name, name)
        : undefined
      : revisionLink(view.name, 'tree', address);
  const compare =
    isTag || isDefault || defaultBranch === undefined
      ? ''
      : html`<a
          href="${compareLink(view.name, { base: defaultBranch.address, head: address })}"
          rel="nofollow"
          aria-label="Compare ${name} with ${defaultBranch.name}"
          >Compare</a
        >`;
  const message =
    isTag && isAnnotated
      ? html`<a href="${tagLink(view.name, name)}" aria-label="Message of ${name}">Message</a>`
      : compare;
  return html`<tr>
    <td class="name">
      ${place === undefined ? name : html`<a href="${place}">${name}</a>`}${isDefault ? html` <span class="tag">default</span>` : ''}
    </td>
    <td class="message">${summary ?? ''}</td>
    <td class="action">${message}</td>
    <td class="when mono">
      ${summary === undefined ? shortOid(oid) : html`<a href="${commitLink(view.name, oid)}">${shortOid(oid)}</a>`}
    </td>
    <td class="when">${timestampMs === undefined ? '' : formatTime(timestampMs)}</td>
  </tr>`;
}

function section(
  view: RepositoryView,
  list: RefList,
  other: RefList,
  defaultBranch: RefRow | undefined,
  limit: number,
): Markup {
  const title = list.kind === 'branches' ? 'Branches' : 'Tags';
  if (list.total === 0)
    return html`<h2>${title}</h2>
      <p class="quiet">There are none.</p>`;
  const address = (from: number): string =>
    `?${new URLSearchParams({ [list.kind]: String(from), ...(other.from > 0 && { [other.kind]: String(other.from) }) }).toString()}#${list.kind}`;
  const next = list.from + list.rows.length;
  return html`<h2 id="${list.kind}">
      ${title} <span class="quiet">${list.total.toLocaleString('en')}</span>
    </h2>
    <section class="panel" aria-labelledby="${list.kind}">
      <table class="files refs">
        <thead class="hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Last commit</th>
            <th scope="col">More</th>
            <th scope="col">Id</th>
            <th scope="col">Date</th>
          </tr>
        </thead>
        <tbody>
          ${list.rows.map((entry) => tableRow(view, entry, defaultBranch))}
        </tbody>
      </table>
    </section>
    <nav class="pages" aria-label="${title}, pages">
      ${list.from > 0 ? html`<a href="${address(Math.max(0, list.from - limit))}" rel="prev">Previous</a>` : ''}
      ${next < list.total ? html`<a href="${address(next)}" rel="next">Next</a>` : ''}
    </nav>`;
}

/** All branches and tags, page by page. */
export async function showRefs(view: RepositoryView): Promise<Response> {
  const { maxListedRefs: limit } = view.application.settings;
  const { context, agent } = view;
  const { branches, tags, defaultBranch } = await agent.transaction(async (reader) => {
    const head = await reader.head();
    const ref = (await reader.refs(head.symref ?? 'refs/heads/')).find(({ name }) => name === head.symref);
    return {
      defaultBranch: ref === undefined ? undefined : await row(reader, ref),
      branches: await listOf(reader, 'branches', offset(context.req.query('branches')), limit),
      tags: await listOf(reader, 'tags', offset(context.req.query('tags')), limit),
    };
  });
  const render = async (): Promise<RepositoryPage> => ({
    title: 'Branches and tags',
    tab: 'refs',
    content: html`${section(view, branches, tags, defaultBranch, limit)}
    ${section(view, tags, branches, defaultBranch, limit)}`,
  });
  return view.unlessKnown([branches, tags, defaultBranch], render);
}
