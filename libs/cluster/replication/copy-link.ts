import { PackhorseError } from '#base';
import type { ReplicatedTransaction } from '#git';
import type { CallerExchange, RpcClient } from '../rpc/client.ts';
import { fromWireError } from '../rpc/wire-error.ts';
import type { CopyChange, CopyLink } from './quorum.ts';
import { type ChangeAnswer, type ChangeMessage, copyTopics } from './topics.ts';

/** The way to a copy on another node. */
export class RemoteCopyLink implements CopyLink {
  readonly volumeId: string;
  readonly #repositoryId: string;
  readonly #epoch: number;
  readonly #node: RpcClient;

  constructor(
    copy: { readonly volumeId: string; readonly repositoryId: string; readonly epoch: number },
    node: RpcClient,
  ) {
    this.volumeId = copy.volumeId;
    this.#repositoryId = copy.repositoryId;
    this.#epoch = copy.epoch;
    this.#node = node;
  }

  open(signal: AbortSignal): CopyChange {
    const { volumeId } = this;
    const argument = { volumeId, repositoryId: this.#repositoryId, epoch: this.#epoch };
    return new RemoteChange(this.#node.exchange(copyTopics.change, argument, { signal }));
  }
}

/** One change there: messages go out as they come, answers come in the order of the questions. */
class RemoteChange implements CopyChange {
  readonly #exchange: Promise<CallerExchange>;
  readonly #answers: Promise<AsyncIterator<unknown>>;
  #turn: Promise<unknown> = Promise.resolve();
  #hasPack = false;

  constructor(exchange: Promise<CallerExchange>) {
    this.#exchange = exchange;
    this.#answers = exchange.then(({ messages }) => messages[Symbol.asyncIterator]());
    // Whoever asks first hears of it.
    this.#answers.catch(() => undefined);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hasPack = true;
    await this.#send({ kind: 'pack', chunk });
  }

  async prepare(transaction: ReplicatedTransaction): Promise<void> {
    if (this.#hasPack) await this.#send({ kind: 'packed' });
    this.#hasPack = false;
    await this.#ask({ kind: 'prepare', transaction });
  }

  async commit(id: string): Promise<void> {
    await this.#ask({ kind: 'commit', id });
  }

  async abort(id: string): Promise<void> {
    await this.#ask({ kind: 'abort', id });
  }

  async #send(message: ChangeMessage): Promise<void> {
    await (await this.#exchange).send(message);
  }

  #ask(message: ChangeMessage): Promise<void> {
    const before = this.#turn;
    const ask = async (): Promise<void> => {
      await before;
      const answers = await this.#answers;
      await this.#send(message);
      const { value } = (await answers.next()) as IteratorResult<ChangeAnswer, ChangeAnswer | undefined>;
      if (value === undefined) {
        throw new PackhorseError('unavailable', 'Another copy of the repository broke off a change.');
      }
      if (value.error !== undefined) throw fromWireError(value.error);
    };
    const asked = ask();
    this.#turn = asked.catch(() => undefined);
    return asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { end } = await this.#exchange;
    end();
    await (await this.#answers).return?.();
  }
}
