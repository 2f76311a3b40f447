import { html } from 'hono/html';
import { hasCode } from '#base';
import type { RepositoryReader } from '#git';
import type { Ref } from '#wire';
import type { Markup } from './layout.ts';
import { refAddress, refExists, shortName, branchPrefix, tagPrefix } from './refs.ts';
import type { Revision } from './revision.ts';
import { newestVersionsFirst } from './version-order.ts';

/** A branch or tag to look at instead. */
export interface RefChoice {
  readonly ref: string;
  readonly label: string;
  /** As it stands in addresses. */
  readonly address: string;
}

/** What a page offers besides the revision it shows. */
export interface RefChoices {
  /** Absent while the repository is empty, or HEAD is detached. */
  readonly defaultBranch: RefChoice | undefined;
  /** The default branch first. */
  readonly branches: readonly RefChoice[];
  /** The newest versions first. */
  readonly tags: readonly RefChoice[];
}

/** A tag may name a file, which is no place to look from. */
async function leadsToCommit(reader: RepositoryReader, { oid, peeled }: Ref): Promise<boolean> {
  try {
    return (await reader.peel(peeled ?? oid, 'commit')) !== '';
  } catch (thrown) {
    if (hasCode(thrown, 'invalid_argument', 'not_found')) return false;
    throw thrown;
  }
}

/** The first branches and the newest tags of a repository: at most `limit` of each. */
export async function refChoices(reader: RepositoryReader, limit: number): Promise<RefChoices> {
  const [head, branches, tags] = await Promise.all([
    reader.head(),
    reader.refs(branchPrefix),
    reader.refs(tagPrefix),
  ]);
  const exists = refExists(reader);
  const choice = async ({ name }: Ref): Promise<RefChoice> => ({
    ref: name,
    label: shortName(name),
    address: await refAddress(name, exists),
  });
  const choices = async (refs: readonly Ref[]): Promise<readonly RefChoice[]> => {
    const usable = await Promise.all(refs.map((ref) => leadsToCommit(reader, ref)));
    return Promise.all(refs.filter((_, index) => usable[index]).map(choice));
  };
  const first = branches.find((branch) => branch.name === head.symref);
  const others = branches.slice(0, limit).filter((branch) => branch !== first);
  return {
    defaultBranch: first === undefined ? undefined : await choice(first),
    branches: await choices((first === undefined ? others : [first, ...others]).slice(0, limit)),
    tags: await choices(newestVersionsFirst(tags, limit)),
  };
}

function list(
  id: string,
  title: string,
  choices: readonly RefChoice[],
  current: string | undefined,
  address: (revision: string) => string,
): Markup {
  if (choices.length === 0) return html``;
  const items = choices.map(
    (choice) =>
      html`<li>
        <a href="${address(choice.address)}" ${choice.ref === current ? html`aria-current="true"` : ''}
          >${choice.label}</a
        >
      </li>`,
  );
  return html`<p id="${id}">${title}</p>
    <ul aria-labelledby="${id}">
      ${items}
    </ul>`;
}

const kindLabels: Readonly<Record<Revision['kind'], string>> = {
  branch: 'Branch',
  tag: 'Tag',
  commit: 'Commit',
};

/** Leads to the page at `address` of another branch or tag, without JavaScript. */
export function switcher(
  revision: Revision,
  choices: RefChoices,
  links: { readonly address: (revision: string) => string; readonly all: string },
): Markup {
  return html`<details class="switcher" name="menu">
    <summary>${kindLabels[revision.kind]} <strong>${revision.label}</strong></summary>
    <div class="popup">
      ${list('switch-branch', 'Branches', choices.branches, revision.ref, links.address)}
      ${list('switch-tag', 'Tags', choices.tags, revision.ref, links.address)}
      <p><a href="${links.all}">All branches and tags</a></p>
    </div>
  </details>`;
}
