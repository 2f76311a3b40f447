import type { RepositoryRecord } from '#accounts';
import type { CommitFields, DiffRequest, RepositoryAgent, TreeEntry } from '#git';
import { PackhorseError, type Oid } from '#base';
import type { Context } from './context.ts';

/**
 * What the Repository type resolves from: the record, and the agent once a field asks for it, so
 * that listing a hundred repositories opens none of them.
 */
export class RepositoryView {
  readonly record: RepositoryRecord;
  readonly #context: Context;
  #agent: Promise<RepositoryAgent> | undefined;

  constructor(record: RepositoryRecord, context: Context, agent?: RepositoryAgent) {
    this.record = record;
    this.#context = context;
    this.#agent = agent === undefined ? undefined : Promise.resolve(agent);
  }

  get fullName(): string {
    return `${this.record.ownerLogin}/${this.record.name}`;
  }

  /** The agent, after `gateway` authorised reading. */
  async agent(): Promise<RepositoryAgent> {
    this.#agent ??= this.#context.repositories
      .open(this.#context.identity, this.record.ownerLogin, this.record.name, 'read')
      .then((opened) => opened.agent);
    return this.#agent;
  }

  /** The commit that `revision` names, tags followed; undefined when nothing is meant by it. */
  async commitOid(revision: string): Promise<Oid | undefined> {
    const agent = await this.agent();
    const resolved = await agent.resolve(revision);
    return resolved === undefined ? undefined : agent.peel(resolved.oid, 'commit');
  }

  /** As `commitOid`. Throws `not_found` when nothing is meant by it. */
  async requireCommitOid(revision: string): Promise<Oid> {
    const oid = await this.commitOid(revision);
    if (oid !== undefined) return oid;
    throw new PackhorseError('not_found', 'There is no such revision in the repository.', {
      metadata: { revision },
    });
  }
}

/** A commit and where to ask about it. */
export interface CommitView {
  readonly agent: RepositoryAgent;
  readonly fields: CommitFields;
}

export interface TreeEntryView {
  readonly agent: RepositoryAgent;
  readonly entry: TreeEntry;
}

/** Lets a list of `DiffRequest`s leave `path` out under exactOptionalPropertyTypes. */
export function diffRequest(
  oldOid: Oid | undefined,
  newOid: Oid,
  path: string | null | undefined,
): DiffRequest {
  return {
    newOid,
    ...(oldOid !== undefined && { oldOid }),
    ...(path !== null && path !== undefined && path !== '' && { path }),
  };
}
