import { PackhorseError, toPackhorseError } from '#base';
import type { Exchange, RpcServer } from '#cluster';
import type { RepositoryAgent, RepositoryReader } from '#git';
import type { Conversation } from '#wire';
import type { AccountsGitGateway } from '../accounts-gateway.ts';
import type { Locator } from '../locator.ts';
import type { AccountsRepositoryGateway } from '../repository-gateway.ts';
import type { VolumeArgument } from './remote-volume.ts';
import {
  type Access,
  type BundleArgument,
  type BundleFacts,
  type CallArgument,
  type ImportArgument,
  type MaintainArgument,
  type RemoteMethod,
  remoteReads,
  remoteWrites,
  type SessionArgument,
  type TransactionAnswer,
  topics,
} from './topics.ts';

export interface NodeServiceParts {
  readonly git: AccountsGitGateway;
  readonly repositories: AccountsRepositoryGateway;
  readonly locator: Locator;
}

/** Answers what other nodes ask about the repositories of this one. Their arguments are as `topics` has them. */
export function serveNodes(server: RpcServer, { git, repositories, locator }: NodeServiceParts): void {
  const agentOf = async ({ identity, ownerLogin, name, action, hops }: Access): Promise<RepositoryAgent> =>
    (await repositories.open(identity, ownerLogin, name, action, hops)).agent;
  server.on('dialogue', topics.session, async (argument, dialogue, { signal }) => {
    const { request, hops, part, version } = argument as SessionArgument;
    await using session = await git.open(request, hops);
    const conversation: Conversation = { ...dialogue, version, stateless: part !== 'dialogue', signal };
    if (part !== 'serve') await session.advertise(conversation);
    if (part === 'dialogue') await dialogue.output.send(nothing);
    if (part !== 'advertise') await session.serve(conversation);
  });
  server.on('call', topics.bundle, async (argument): Promise<BundleFacts> => {
    const { request, hops, id } = argument as BundleArgument;
    await using session = await git.open(request, hops);
    await using bundle = await session.openBundle(id);
    const { sizeBytes, modifiedAtMs, etag } = bundle;
    return {
      sizeBytes,
      ...(modifiedAtMs !== undefined && { modifiedAtMs }),
      ...(etag !== undefined && { etag }),
    };
  });
  server.on('stream', topics.bundleContent, async function* content(argument, { signal }) {
    const { request, hops, id, startByte = 0, endByte } = argument as BundleArgument;
    await using session = await git.open(request, hops);
    await using bundle = await session.openBundle(id);
    yield* bundle.content(startByte, endByte ?? bundle.sizeBytes, signal);
  });
  server.on('call', topics.call, async (argument) => {
    const { access, method, args } = argument as CallArgument;
    return await invoke(await agentOf(access), method, args, [...remoteReads, ...remoteWrites]);
  });
  server.on('exchange', topics.transaction, async (argument, exchange) => {
    const agent = await agentOf((argument as { readonly access: Access }).access);
    await agent.transaction((reader) => answerReads(reader, exchange));
  });
  server.on('stream', topics.blob, async function* blob(argument) {
    const { access, oid } = argument as { readonly access: Access; readonly oid: string };
    yield* (await agentOf(access)).blobContent(oid);
  });
  server.on('stream', topics.maintain, async function* maintain(argument) {
    const { access, graphOnly } = argument as MaintainArgument;
    const agent = await agentOf(access);
    yield* withProgress((onProgress) => agent.maintain({ onProgress, graphOnly }));
  });
  server.on('stream', topics.import, async function* imported(argument) {
    const { access, source } = argument as ImportArgument;
    const { identity, ownerLogin, name, hops } = access;
    yield* withProgress((onProgress) =>
      repositories.import(identity, ownerLogin, name, source, onProgress, hops),
    );
  });
  server.on('call', topics.createOnVolume, async (argument) => {
    const { volumeId, id, objectFormat = 'sha1', defaultBranch = 'main' } = argument as VolumeArgument;
    await locator.volumeHere(volumeId).createRepository(id, { objectFormat, defaultBranch });
  });
  server.on('call', topics.removeFromVolume, async (argument) => {
    const { volumeId, id } = argument as VolumeArgument;
    await locator.volumeHere(volumeId).removeRepository(id);
  });
}

const nothing = new Uint8Array(0);

/** Calls a method that is one of `known`, for the name comes from elsewhere. */
async function invoke(
  target: RepositoryReader,
  method: RemoteMethod,
  args: readonly unknown[],
  known: readonly string[],
): Promise<unknown> {
  if (!known.includes(method)) {
    throw new PackhorseError('failed_precondition', 'Another node of this cluster is too old for this.', {
      metadata: { method },
    });
  }
  const callable = (target as unknown as Record<string, (...given: readonly unknown[]) => Promise<unknown>>)[
    method
  ];
  return await callable?.apply(target, [...args]);
}

async function answerReads(reader: RepositoryReader, { messages, send }: Exchange): Promise<void> {
  for await (const message of messages) {
    const { method, args } = message as Omit<CallArgument, 'access'>;
    let answer: TransactionAnswer;
    try {
      answer = { value: await invoke(reader, method, args, remoteReads) };
    } catch (thrown) {
      const error = toPackhorseError(thrown);
      if (error.code === 'internal') throw error;
      answer = { error: { code: error.code, message: error.message, metadata: error.metadata } };
    }
    await send(answer);
  }
}

/** What `work` says while it runs, then what it came to. */
async function* withProgress(
  work: (onProgress: (text: string) => void) => Promise<unknown>,
): AsyncGenerator<unknown, void, undefined> {
  const said: string[] = [];
  const progress = { isOver: false, changed: Promise.withResolvers<void>() };
  const result = work((text) => {
    said.push(text);
    progress.changed.resolve();
  }).finally(() => {
    progress.isOver = true;
    progress.changed.resolve();
  });
  // It is awaited below; until then nobody else looks at it.
  result.catch(() => undefined);
  while (!progress.isOver || said.length > 0) {
    await progress.changed.promise;
    progress.changed = Promise.withResolvers();
    if (progress.isOver) progress.changed.resolve();
    yield* said.splice(0);
  }
  yield await result;
}
