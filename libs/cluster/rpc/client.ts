import { randomUUID } from 'node:crypto';
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials as channelCredentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { abortError, type ByteStream, hasCode, PackhorseError, readChunks, type Settings } from '#base';
import { MessageSink } from './call-streams.ts';
import { decode, encode } from './codec.ts';
import type { ClusterCredentials } from './credentials.ts';
import { type NodeIdentity, Proofs } from './proofs.ts';
import type { Dialogue, Exchange } from './server.ts';
import { keys, nodeService, versions } from './service.ts';
import { statusError } from './status.ts';

export interface RpcClientOptions {
  readonly self: NodeIdentity;
  /** `host:port` of the other node. */
  readonly address: string;
  readonly credentials: ClusterCredentials;
  readonly settings: Settings['cluster'];
}

interface Introduction {
  readonly called: NodeIdentity;
  readonly metadata: Metadata;
}

/** A dialogue as the caller has it: `end` says that nothing more will be sent, `cancel` breaks it off. */
export interface CallerDialogue extends Dialogue {
  readonly end: () => void;
  readonly cancel: () => void;
}

export interface CallerExchange extends Exchange {
  readonly end: () => void;
}

/** Talks to one other node; connects when first used, and again whenever that is needed. */
export class RpcClient {
  readonly #options: RpcClientOptions;
  readonly #proofs: Proofs;
  readonly #client: Client;
  #introduction: Promise<Introduction> | undefined;

  constructor(options: RpcClientOptions) {
    this.#options = options;
    const { credentials, address, settings } = options;
    this.#proofs = new Proofs(credentials.secret);
    const { tls } = credentials;
    const channel =
      tls === undefined
        ? channelCredentials.createInsecure()
        : channelCredentials.createSsl(tls.ca, tls.key, tls.certificate);
    this.#client = new Client(address, channel, {
      'grpc-node.flow_control_window': settings.streamWindowBytes,
      'grpc.keepalive_time_ms': settings.keepAliveMs,
      'grpc.keepalive_timeout_ms': settings.keepAliveMs,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_reconnect_backoff_ms': settings.maxReconnectMs,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
    });
  }

  /** The value that the other node answers with; throws what its handler threw. */
  async call(topic: string, argument: unknown, options: CallLimits = {}): Promise<unknown> {
    try {
      return await this.#call(topic, argument, options);
    } catch (thrown) {
      // The node has been started again since we were introduced; it has done nothing yet.
      if (!hasCode(thrown, 'unauthenticated') || thrown.metadata[keys.hello] !== true) throw thrown;
      this.#introduction = undefined;
      return await this.#call(topic, argument, options);
    }
  }

  /** The values that the other node sends, as fast as they are taken. Leaving the loop cancels the call. */
  async *stream(
    topic: string,
    argument: unknown,
    options: CallLimits = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const metadata = await this.#metadata(topic, options);
    const { path, requestSerialize, responseDeserialize } = nodeService.stream;
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      encode(argument),
      metadata,
      deadline(options),
    );
    const incoming = new Incoming(call, options.signal);
    try {
      for await (const message of incoming.chunks()) yield decode(message);
    } finally {
      incoming.leave();
    }
  }

  /** Opens a dialogue of bytes. It ends, or fails, with `input`; aborting `signal` cancels it. */
  async dialogue(topic: string, argument: unknown, options: CallLimits = {}): Promise<CallerDialogue> {
    const { call, incoming } = await this.#open('dialogue', topic, argument, options);
    return {
      input: incoming.chunks(),
      output: new MessageSink(call, incoming.signal),
      end: () => void call.end(),
      cancel: () => call.cancel(),
    };
  }

  /** Opens an exchange of values. It ends, or fails, with `messages`. */
  async exchange(topic: string, argument: unknown, options: CallLimits = {}): Promise<CallerExchange> {
    const { call, incoming } = await this.#open('exchange', topic, argument, options);
    const sink = new MessageSink(call, incoming.signal);
    return {
      messages: values(incoming),
      send: (value) => sink.send(encode(value)),
      end: () => void call.end(),
    };
  }

  close(): void {
    this.#client.close();
  }

  async #open(
    kind: 'dialogue' | 'exchange',
    topic: string,
    argument: unknown,
    options: CallLimits,
  ): Promise<{ readonly call: ClientDuplexStream<Buffer, Buffer>; readonly incoming: Incoming }> {
    const metadata = await this.#metadata(topic, options);
    metadata.set(keys.argument, encode(argument));
    const { path, requestSerialize, responseDeserialize } = nodeService[kind];
    const call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      deadline(options),
    );
    return { call, incoming: new Incoming(call, options.signal) };
  }

  async #call(topic: string, argument: unknown, options: CallLimits): Promise<unknown> {
    const { callTimeoutMs } = this.#options.settings;
    const limits = { timeoutMs: callTimeoutMs, ...options };
    const metadata = await this.#metadata(topic, limits);
    return await this.#unary(nodeService.call, argument, metadata, limits);
  }

  #unary(
    method: typeof nodeService.call,
    argument: unknown,
    metadata: Metadata,
    options: CallLimits,
  ): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    const call = this.#client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      encode(argument),
      metadata,
      deadline(options),
      (error: ServiceError | null, answer?: Buffer) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(statusError(error));
        else resolve(answer === undefined ? undefined : decode(answer));
      },
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    return promise;
  }

  async #metadata(topic: string, { traceparent }: CallLimits): Promise<Metadata> {
    this.#introduction ??= this.#introduce();
    const introducing = this.#introduction;
    try {
      const metadata = (await introducing).metadata.clone();
      metadata.set(keys.topic, topic);
      if (traceparent !== undefined) metadata.set(keys.trace, traceparent);
      return metadata;
    } catch (thrown) {
      if (this.#introduction === introducing) this.#introduction = undefined;
      throw thrown;
    }
  }

  async #introduce(): Promise<Introduction> {
    const { self, settings } = this.#options;
    const nonce = randomUUID();
    const answer = await this.#unary(nodeService.hello, { ...self, nonce, ...versions }, new Metadata(), {
      timeoutMs: settings.callTimeoutMs,
    });
    const { node, instanceId, proof } = answer as Readonly<Record<string, unknown>>;
    const called = { node: String(node), instanceId: String(instanceId) };
    if (!this.#proofs.isSame(this.#proofs.ofCalled(called, self, nonce), String(proof))) {
      throw new PackhorseError(
        'failed_precondition',
        'Another node does not know the secret of this cluster: give all nodes the same one.',
        { metadata: { node: called.node, address: this.#options.address } },
      );
    }
    const metadata = new Metadata();
    metadata.set(keys.caller, `${self.node} ${self.instanceId}`);
    metadata.set(keys.proof, this.#proofs.ofCaller(self, called.instanceId));
    return { called, metadata };
  }
}

export interface CallLimits {
  /** Aborting it cancels the call here and there. */
  readonly signal?: AbortSignal | undefined;
  /** How long the whole call may take; a value for a value has a default, streams have none. */
  readonly timeoutMs?: number | undefined;
  /** W3C Trace Context. */
  readonly traceparent?: string | undefined;
}

function deadline({ timeoutMs }: CallLimits): CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

type Incomingable = ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>;

/** What comes back in a call: its messages, then what became of it. */
class Incoming {
  readonly #call: Incomingable;
  readonly #over = new AbortController();
  readonly #outcome = Promise.withResolvers<PackhorseError | undefined>();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => {
    this.#call.cancel();
  };

  constructor(call: Incomingable, outer: AbortSignal | undefined) {
    this.#call = call;
    this.#outer = outer;
    call.on('error', (error: Error) => this.#finish(statusError(error as ServiceError)));
    call.on('status', () => this.#finish(undefined));
    if (outer?.aborted === true) this.#onAbort();
    else outer?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborted when the call is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The messages. Throws what the other node failed with, after its last message. */
  chunks(): AsyncIterableIterator<Uint8Array, undefined, undefined> {
    const reader = readChunks(this.#call, new AbortController().signal);
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const result = await reader.next().catch(async (thrown: unknown) => {
        throw (await this.#outcome.promise) ?? thrown;
      });
      if (result.done !== true) return result;
      const failure = await this.#outcome.promise;
      if (failure !== undefined) throw failure;
      return result;
    };
    const leave = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const left = await reader.return();
      this.leave();
      return left;
    };
    return { next, return: leave, [Symbol.asyncIterator]: () => ({ next, return: leave }) as never };
  }

  /** Cancels what is not over yet. */
  leave(): void {
    if (!this.#over.signal.aborted) this.#call.cancel();
  }

  #finish(failure: PackhorseError | undefined): void {
    this.#outer?.removeEventListener('abort', this.#onAbort);
    this.#outcome.resolve(
      this.#outer?.aborted === true && failure !== undefined ? abortError(this.#outer) : failure,
    );
    this.#over.abort(failure ?? new PackhorseError('cancelled', 'The other side has said everything.'));
  }
}

async function* values(incoming: Incoming): AsyncGenerator<unknown, void, undefined> {
  for await (const message of incoming.chunks() as ByteStream) yield decode(message);
}
