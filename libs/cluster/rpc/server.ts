import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type Metadata,
} from '@grpc/grpc-js';
import { type ByteSink, type ByteStream, type Log, PackhorseError, readChunks, type Settings } from '#base';
import { MessageSink } from './call-streams.ts';
import { decode, encode } from './codec.ts';
import { type NodeIdentity, Proofs } from './proofs.ts';
import { keys, nodeService, versions } from './service.ts';
import { errorStatus } from './status.ts';
import type { ClusterCredentials } from './credentials.ts';

/** What a handler knows of the call that it answers. */
export interface CallContext {
  readonly caller: NodeIdentity;
  /** Aborted when the caller is gone, its deadline has passed or this node stops. */
  readonly signal: AbortSignal;
}

/** Values both ways. */
export interface Exchange {
  readonly messages: AsyncIterable<unknown>;
  readonly send: (value: unknown) => Promise<void>;
}

/** Bytes both ways. */
export interface Dialogue {
  readonly input: ByteStream;
  readonly output: ByteSink & Pick<MessageSink, 'send'>;
}

/** Answers to one topic. The argument comes from another node: a handler checks what it depends on. */
export type Handlers = {
  readonly call: (argument: unknown, context: CallContext) => Promise<unknown>;
  readonly stream: (argument: unknown, context: CallContext) => AsyncIterable<unknown>;
  readonly dialogue: (argument: unknown, dialogue: Dialogue, context: CallContext) => Promise<void>;
  readonly exchange: (argument: unknown, exchange: Exchange, context: CallContext) => Promise<void>;
};

export interface RpcServerOptions {
  readonly self: NodeIdentity;
  readonly credentials: ClusterCredentials;
  readonly settings: Settings['cluster'];
  readonly log: Log;
}

type Duplex = ServerDuplexStream<Buffer, Buffer>;

/** What other nodes talk to: the service `packhorse.Node` over gRPC. */
export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #proofs: Proofs;
  readonly #server: Server;
  readonly #handlers = { call: new Map(), stream: new Map(), dialogue: new Map(), exchange: new Map() } as {
    readonly [Kind in keyof Handlers]: Map<string, Handlers[Kind]>;
  };
  /** Proofs that were found right, by caller. */
  readonly #callers = new Map<string, string>();
  readonly #stop = new AbortController();

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#proofs = new Proofs(options.credentials.secret);
    const { streamWindowBytes, keepAliveMs } = options.settings;
    this.#server = new Server({
      'grpc-node.flow_control_window': streamWindowBytes,
      'grpc.keepalive_time_ms': keepAliveMs,
      'grpc.keepalive_timeout_ms': keepAliveMs,
    });
    this.#server.addService(nodeService, {
      hello: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
        this.#unary(answer, () => this.#hello(decode(call.request))),
      call: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
        this.#unary(answer, async () => {
          const { topic, context } = this.#admit(call);
          return await this.#handler('call', topic)(decode(call.request), context);
        }),
      stream: (call: ServerWritableStream<Buffer, Buffer>) => this.#streaming(call, () => this.#stream(call)),
      dialogue: (call: Duplex) => this.#streaming(call, () => this.#dialogue(call)),
      exchange: (call: Duplex) => this.#streaming(call, () => this.#exchange(call)),
    });
  }

  /** Makes `handler` answer `topic`. */
  on<Kind extends keyof Handlers>(kind: Kind, topic: string, handler: Handlers[Kind]): void {
    this.#handlers[kind].set(topic, handler);
  }

  /** Returns the port. */
  listen(host: string, port: number): Promise<number> {
    const { credentials } = this.#options;
    const { tls } = credentials;
    const transport =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.certificate, private_key: tls.key }], true);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    this.#server.bindAsync(address, transport, (error, bound) => (error ? reject(error) : resolve(bound)));
    return promise;
  }

  /** Takes no new calls, lets those that run end, and cuts them off after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#stop.abort(new PackhorseError('unavailable', 'This node is stopping. Try again.'));
      this.#server.forceShutdown();
      resolve();
    }, timeoutMs);
    this.#server.tryShutdown(() => resolve());
    await promise;
    clearTimeout(timer);
  }

  async #hello(argument: unknown): Promise<unknown> {
    const { node, instanceId, nonce, lowest, highest } = argument as Record<string, unknown>;
    if (typeof node !== 'string' || typeof instanceId !== 'string' || typeof nonce !== 'string') {
      throw new PackhorseError('invalid_argument', 'Another node said no proper hello.');
    }
    const version = Math.min(versions.highest, Number(highest));
    if (!(version >= versions.lowest && version >= Number(lowest))) {
      throw new PackhorseError(
        'failed_precondition',
        'The nodes of this cluster are too many releases apart: upgrade one release at a time.',
        { metadata: { node, lowest: Number(lowest), highest: Number(highest) } },
      );
    }
    const { self } = this.#options;
    return { ...self, version, proof: this.#proofs.ofCalled(self, { node, instanceId }, nonce) };
  }

  /** Who calls, once it is proven. Throws `unauthenticated`. */
  #admit(call: { readonly metadata: Metadata; on(event: 'cancelled', listener: () => void): unknown }): {
    readonly topic: string;
    readonly context: CallContext;
  } {
    const [topic, caller, proof] = [keys.topic, keys.caller, keys.proof].map((key) =>
      String(call.metadata.get(key)[0] ?? ''),
    ) as [string, string, string];
    const [node = '', instanceId = ''] = caller.split(' ');
    const identity = { node, instanceId };
    if (!this.#isProven(identity, caller, proof)) {
      throw new PackhorseError('unauthenticated', 'This node does not know that caller: say hello first.', {
        metadata: { [keys.hello]: true },
      });
    }
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new PackhorseError('cancelled', 'The other side went away.')));
    return {
      topic,
      context: { caller: identity, signal: AbortSignal.any([gone.signal, this.#stop.signal]) },
    };
  }

  #isProven(identity: NodeIdentity, caller: string, proof: string): boolean {
    const known = this.#callers.get(caller);
    if (known !== undefined && this.#proofs.isSame(known, proof)) return true;
    const right = this.#proofs.ofCaller(identity, this.#options.self.instanceId);
    if (!this.#proofs.isSame(right, proof)) return false;
    // Every start of a node is another caller.
    if (this.#callers.size >= this.#options.settings.maxKnownCallers) this.#callers.clear();
    this.#callers.set(caller, proof);
    return true;
  }

  #handler<Kind extends keyof Handlers>(kind: Kind, topic: string): Handlers[Kind] {
    const handler = this.#handlers[kind].get(topic);
    if (handler !== undefined) return handler;
    throw new PackhorseError('failed_precondition', 'Another node of this cluster is too old for this.', {
      metadata: { topic },
    });
  }

  #unary(answer: sendUnaryData<Buffer>, work: () => Promise<unknown>): void {
    void (async () => {
      try {
        answer(null, encode(await work()));
      } catch (thrown) {
        this.#note(thrown);
        answer(errorStatus(thrown));
      }
    })();
  }

  #streaming(call: ServerWritableStream<Buffer, Buffer> | Duplex, work: () => Promise<void>): void {
    void (async () => {
      try {
        await work();
        call.end();
      } catch (thrown) {
        this.#note(thrown);
        // What gRPC makes the status of the call.
        call.emit('error', errorStatus(thrown));
      }
    })();
  }

  #note(thrown: unknown): void {
    if (!(thrown instanceof PackhorseError) || thrown.code === 'internal') {
      this.#options.log.error('a call of another node failed', { error: thrown });
    }
  }

  async #stream(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
    const { topic, context } = this.#admit(call);
    const sink = new MessageSink(call, context.signal);
    for await (const value of this.#handler('stream', topic)(decode(call.request), context)) {
      await sink.send(encode(value));
    }
  }

  async #dialogue(call: Duplex): Promise<void> {
    const { topic, context } = this.#admit(call);
    const input = readChunks(call, context.signal);
    const output = new MessageSink(call, context.signal);
    await this.#handler('dialogue', topic)(argumentOf(call.metadata), { input, output }, context);
  }

  async #exchange(call: Duplex): Promise<void> {
    const { topic, context } = this.#admit(call);
    const sink = new MessageSink(call, context.signal);
    const messages = decoded(readChunks(call, context.signal));
    const send = (value: unknown): Promise<void> => sink.send(encode(value));
    await this.#handler('exchange', topic)(argumentOf(call.metadata), { messages, send }, context);
  }
}

function argumentOf(metadata: Metadata): unknown {
  const [bytes] = metadata.get(keys.argument);
  return bytes instanceof Uint8Array ? decode(bytes) : undefined;
}

/** The values in a stream of messages. */
export async function* decoded(messages: ByteStream): AsyncGenerator<unknown, void, undefined> {
  for await (const message of messages) yield decode(message);
}
