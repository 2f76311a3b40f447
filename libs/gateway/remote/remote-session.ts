import type { ByteStream } from '#base';
import type { RpcClient } from '#cluster';
import type { PublishedFile } from '#git';
import type { Conversation } from '#wire';
import type { GitRequest, GitSession } from '../gateway.ts';
import { type BundleFacts, type SessionArgument, topics } from './topics.ts';

type Dialogue = Awaited<ReturnType<RpcClient['dialogue']>>;

/** A Git session on another node: the conversation is carried there as it is, and led there. */
export class RemoteSession implements GitSession {
  readonly #request: GitRequest;
  readonly #hops: number;
  readonly #node: RpcClient;
  readonly #leave: () => void;
  /** Of a dialogue that has been begun by its advertisement. */
  #begun: { readonly dialogue: Dialogue; readonly output: AsyncIterator<Uint8Array> } | undefined;

  constructor(request: GitRequest, hops: number, node: RpcClient, leave: () => void) {
    this.#request = request;
    this.#hops = hops;
    this.#node = node;
    this.#leave = leave;
  }

  async advertise(conversation: Conversation): Promise<void> {
    const dialogue = await this.#open(conversation, conversation.stateless ? 'advertise' : 'dialogue');
    const output = dialogue.input[Symbol.asyncIterator]();
    if (conversation.stateless) dialogue.end();
    else this.#begun = { dialogue, output };
    await copy(output, conversation);
  }

  async serve(conversation: Conversation): Promise<void> {
    const dialogue = this.#begun?.dialogue ?? (await this.#open(conversation, 'serve'));
    const output = this.#begun?.output ?? dialogue.input[Symbol.asyncIterator]();
    let broken: unknown;
    // A client may keep its side open behind what it said: the other node says when all is over.
    forward(conversation.input, dialogue).catch((thrown: unknown) => {
      broken = thrown;
      // A client that breaks off in the middle must not look like one that is done.
      dialogue.cancel();
    });
    try {
      await copy(output, conversation);
    } catch (thrown) {
      throw broken ?? thrown;
    }
  }

  async openBundle(id: string): Promise<PublishedFile> {
    const argument = { request: this.#request, hops: this.#hops, id };
    const facts = (await this.#node.call(topics.bundle, argument)) as BundleFacts;
    return {
      ...facts,
      content: (startByte, endByte, signal) =>
        this.#node.stream(
          topics.bundleContent,
          { ...argument, startByte, endByte },
          { signal },
        ) as ByteStream,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  #open({ version, signal }: Conversation, part: SessionArgument['part']): Promise<Dialogue> {
    const argument: SessionArgument = { request: this.#request, hops: this.#hops, part, version };
    return this.#node.dialogue(topics.session, argument, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
    // Cancels what is not over.
    await this.#begun?.output.return?.();
  }
}

/** Copies what the other node says, up to the empty message between two parts or the end. */
async function copy(messages: AsyncIterator<Uint8Array>, { output }: Conversation): Promise<void> {
  for (;;) {
    const { done, value } = await messages.next();
    if (done === true || value.length === 0) return;
    await output.write(value);
  }
}

async function forward(input: ByteStream, { output, end }: Dialogue): Promise<void> {
  for await (const chunk of input) await output.write(chunk);
  end();
}
