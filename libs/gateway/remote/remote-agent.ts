import { type ByteStream, type Oid, PackhorseError } from '#base';
import type { RpcClient } from '#cluster';
import type {
  CreateCommitRequest,
  DiffRequest,
  HistoryRequest,
  MaintenanceRequest,
  ObjectKind,
  RepositoryAgent,
  RepositoryReader,
} from '#git';
import {
  type Access,
  type CallArgument,
  type RemoteMethod,
  remoteReads,
  type TransactionAnswer,
  topics,
} from './topics.ts';

/** Asks for one method somewhere else. */
type Ask = (method: RemoteMethod, args: readonly unknown[]) => Promise<unknown>;
type Answer<Method extends keyof RepositoryAgent> = RepositoryAgent[Method] extends (
  ...args: never[]
) => infer Result
  ? Result
  : never;

/** The agent of a repository on another node. */
export class RemoteAgent implements RepositoryAgent {
  readonly id: string;
  readonly #access: Access;
  readonly #node: RpcClient;

  constructor(id: string, access: Access, node: RpcClient) {
    this.id = id;
    this.#access = access;
    this.#node = node;
  }

  head(): Answer<'head'> {
    return this.#ask('head');
  }

  refs(prefix: string): Answer<'refs'> {
    return this.#ask('refs', prefix);
  }

  resolve(revision: string): Answer<'resolve'> {
    return this.#ask('resolve', revision);
  }

  peel(oid: Oid, kind: ObjectKind): Answer<'peel'> {
    return this.#ask('peel', oid, kind);
  }

  commit(oid: Oid): Answer<'commit'> {
    return this.#ask('commit', oid);
  }

  tag(oid: Oid): Answer<'tag'> {
    return this.#ask('tag', oid);
  }

  tree(treeish: Oid, path: string): Answer<'tree'> {
    return this.#ask('tree', treeish, path);
  }

  entry(treeish: Oid, path: string): Answer<'entry'> {
    return this.#ask('entry', treeish, path);
  }

  blob(oid: Oid): Answer<'blob'> {
    return this.#ask('blob', oid);
  }

  blobContent(oid: Oid): ByteStream {
    return this.#node.stream(topics.blob, { access: this.#access, oid }) as ByteStream;
  }

  history(request: HistoryRequest): Answer<'history'> {
    return this.#ask('history', request);
  }

  lastCommits(commit: Oid, path: string): Answer<'lastCommits'> {
    return this.#ask('lastCommits', commit, path);
  }

  diff(request: DiffRequest): Answer<'diff'> {
    return this.#ask('diff', request);
  }

  aheadBehind(local: Oid, upstream: Oid): Answer<'aheadBehind'> {
    return this.#ask('aheadBehind', local, upstream);
  }

  mergeBase(one: Oid, other: Oid): Answer<'mergeBase'> {
    return this.#ask('mergeBase', one, other);
  }

  createCommit(request: CreateCommitRequest): Answer<'createCommit'> {
    return this.#ask('createCommit', request);
  }

  setHead(ref: string): Answer<'setHead'> {
    return this.#ask('setHead', ref);
  }

  facts(): Answer<'facts'> {
    return this.#ask('facts');
  }

  verify(): Answer<'verify'> {
    return this.#ask('verify');
  }

  async transaction<Result>(work: (reader: RepositoryReader) => Promise<Result>): Promise<Result> {
    const { messages, send, end } = await this.#node.exchange(topics.transaction, { access: this.#access });
    const answers = messages[Symbol.asyncIterator]();
    let turn: Promise<unknown> = Promise.resolve();
    const ask: Ask = (method, args) => {
      // Answers come in the order of the questions.
      const answered = turn.then(async () => {
        await send({ method, args });
        const { done, value } = await answers.next();
        if (done === true) throw new PackhorseError('unavailable', 'Another node ended a read. Try again.');
        return valueOf(value as TransactionAnswer);
      });
      turn = answered.catch(() => undefined);
      return answered;
    };
    try {
      return await work(readerOf(ask, (oid) => this.blobContent(oid)));
    } finally {
      end();
      await answers.return?.();
    }
  }

  async maintain({ onProgress, graphOnly = false }: MaintenanceRequest): Answer<'maintain'> {
    for await (const value of this.#node.stream(topics.maintain, { access: this.#access, graphOnly })) {
      if (typeof value !== 'string') return value as Awaited<Answer<'maintain'>>;
      onProgress(value);
    }
    throw new PackhorseError('unavailable', 'Another node ended the maintenance without a report.');
  }

  #ask<Method extends RemoteMethod>(
    method: Method,
    ...args: Parameters<RepositoryAgent[Method]>
  ): Answer<Method> {
    const argument: CallArgument = { access: this.#access, method, args };
    // The answer is what the method of this name returned there.
    return this.#node.call(topics.call, argument) as Answer<Method>;
  }
}

/** A reader whose methods all go through `ask`. */
function readerOf(ask: Ask, blobContent: RepositoryReader['blobContent']): RepositoryReader {
  const methods = remoteReads.map((method) => [method, (...args: unknown[]) => ask(method, args)] as const);
  // Each method answers what the one of this name returned there.
  return { ...Object.fromEntries(methods), blobContent } as unknown as RepositoryReader;
}

function valueOf(answer: TransactionAnswer): unknown {
  if (!('error' in answer)) return answer.value;
  const { code, message, metadata } = answer.error;
  throw new PackhorseError(code, message, { metadata });
}
