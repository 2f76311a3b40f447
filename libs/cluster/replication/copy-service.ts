import { type ByteStream, PackhorseError } from '#base';
import type { CopyContents, CopyState, IncomingChange, LocalAgent } from '#git';
import type { Exchange, RpcServer } from '../rpc/server.ts';
import { toWireError } from '../rpc/wire-error.ts';
import {
  type ChangeAnswer,
  type ChangeMessage,
  type ContentsArgument,
  type CopyArgument,
  copyTopics,
} from './topics.ts';

/** The copies on the volumes of this node. */
export interface CopiesHere {
  /** The copy's agent; the repository is made when it is not there and `objectFormat` says how. Throws `unavailable` when the volume is not here. */
  agent(copy: Pick<CopyArgument, 'repositoryId' | 'volumeId'>): Promise<LocalAgent>;
  /** Has the copy follow its primary soon. */
  follow(copy: Pick<CopyArgument, 'repositoryId' | 'volumeId'>): void;
}

/** Answers what primaries and other nodes ask of the copies here. */
export function serveCopies(server: RpcServer, copies: CopiesHere): void {
  const replicaOf = async (copy: CopyArgument) => (await copies.agent(copy)).replica();
  server.on('exchange', copyTopics.change, async (argument, exchange, { signal }) => {
    const replica = await replicaOf(argument as CopyArgument);
    await using change = await replica.begin(signal);
    await answerChange(change, exchange, {
      commit: (id) => replica.commit(id),
      abort: (id) => replica.abort(id),
    });
  });
  server.on('call', copyTopics.state, async (argument): Promise<CopyState> => {
    return await (await replicaOf(argument as CopyArgument)).state();
  });
  server.on('call', copyTopics.seal, async (argument): Promise<CopyState> => {
    const copy = argument as CopyArgument;
    return await (await replicaOf(copy)).seal(copy.epoch);
  });
  server.on('call', copyTopics.promote, async (argument): Promise<CopyState> => {
    const copy = argument as CopyArgument;
    return await (await replicaOf(copy)).promote(copy.epoch);
  });
  server.on('call', copyTopics.follow, async (argument) => {
    copies.follow(argument as CopyArgument);
    await Promise.resolve();
  });
  server.on('stream', copyTopics.contents, async function* contents(argument, { signal }) {
    const asked = argument as ContentsArgument;
    yield* sendContents(await copies.agent(asked), asked, signal);
  });
}

interface Decisions {
  commit(id: string): Promise<void>;
  abort(id: string): Promise<void>;
}

async function answerChange(
  change: IncomingChange,
  { messages, send }: Exchange,
  decide: Decisions,
): Promise<void> {
  const pack = new PackInlet(change);
  for await (const value of messages) {
    const message = value as ChangeMessage;
    if (message.kind === 'pack') await pack.take(message.chunk);
    else if (message.kind === 'packed') pack.end();
    else {
      let answer: ChangeAnswer = {};
      try {
        if (message.kind === 'prepare') {
          await pack.received;
          await change.prepare(message.transaction);
        } else await decide[message.kind](message.id);
      } catch (thrown) {
        answer = { error: toWireError(thrown) };
      }
      await send(answer);
    }
  }
}

/** Feeds a pack to a change, chunk by chunk as it comes. */
class PackInlet {
  readonly #change: IncomingChange;
  #received: Promise<void> | undefined;
  #next = Promise.withResolvers<Uint8Array | undefined>();
  #taken = Promise.withResolvers<void>();

  constructor(change: IncomingChange) {
    this.#change = change;
  }

  /** Resolves when the pack has been taken in; throws what is wrong with it. At once where there is none. */
  get received(): Promise<void> {
    return this.#received ?? Promise.resolve();
  }

  /** Resolves when there is room for more. */
  async take(chunk: Uint8Array): Promise<void> {
    if (this.#received === undefined) {
      this.#received = this.#change.receive(this.#chunks()).finally(() => this.#taken.resolve());
      // `received` says it to whoever asks.
      this.#received.catch(() => undefined);
    }
    this.#next.resolve(chunk);
    await Promise.race([this.#taken.promise, this.#received.catch(() => undefined)]);
  }

  end(): void {
    this.#next.resolve(undefined);
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = await this.#next.promise;
      if (chunk === undefined) return;
      yield chunk;
      this.#next = Promise.withResolvers();
      const { resolve } = this.#taken;
      this.#taken = Promise.withResolvers();
      resolve();
    }
  }
}

/** What a copy is told, then the pack that it lacks. */
async function* sendContents(
  agent: LocalAgent,
  { haves }: ContentsArgument,
  signal: AbortSignal,
): AsyncGenerator<CopyContents | Uint8Array, void, undefined> {
  const contents = await agent.contents();
  yield contents;
  const repository = await agent.uploadPack();
  const known = await repository.existing(haves);
  const wants = new Set(contents.refs.map(([, oid]) => oid).filter((oid) => !known.has(oid)));
  if (wants.size === 0) return;
  const pack = repository.pack(
    {
      wants: [...wants],
      haves: [...known],
      clientShallows: [],
      newShallows: [],
      unshallows: [],
      thinPack: true,
      ofsDelta: true,
      includeTag: false,
      progress: false,
    },
    signal,
  );
  for await (const { kind, bytes, release } of pack) {
    if (kind === 'data') yield bytes;
    release?.();
  }
}

/** What another copy sends of itself. Throws `unavailable` when it breaks off. */
export async function receiveContents(
  values: AsyncIterable<unknown>,
): Promise<{ readonly contents: CopyContents; readonly pack: ByteStream | undefined }> {
  const source = values[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done === true) throw new PackhorseError('unavailable', 'The primary said nothing of its copy.');
  const contents = first.value as CopyContents;
  const second = (await source.next()) as IteratorResult<Uint8Array, undefined>;
  if (second.done === true) return { contents, pack: undefined };
  const pack = async function* pack(): AsyncGenerator<Uint8Array, void, undefined> {
    yield second.value;
    for (;;) {
      const { done, value } = (await source.next()) as IteratorResult<Uint8Array, undefined>;
      if (done === true) return;
      yield value;
    }
  };
  return { contents, pack: pack() };
}
