declare const replyType: unique symbol;

/** What actors receive: one typed union per actor, told apart by `type`. Plain data wherever it may travel between nodes. */
export interface Message {
  readonly type: string;
}

/** A message that is answered: `Asks<{ readonly type: 'size' }, number>`. Any other message is answered with nothing. */
export type Asks<Sent extends Message, Reply> = Sent & { readonly [replyType]?: () => Reply };

/** The member of the union that has this `type`. */
export type MessageOf<Messages extends Message, Type extends string> = Extract<
  Messages,
  { readonly type: Type }
>;

/** What a message is answered with. */
export type ReplyTo<Sent> = typeof replyType extends keyof Sent
  ? Sent extends { readonly [replyType]?: () => infer Reply }
    ? Reply
    : never
  : void;

export interface CallOptions {
  /** Milliseconds until the caller gives up; `callTimeoutMs` of the settings when absent. */
  readonly timeoutMs?: number;
}

/** Somewhere to send messages, without knowing whether it is one actor, the least busy of several, or on another node. */
export interface Address<Messages extends Message> {
  /**
   * Sends a message and waits until it has been handled; resolves with the handler's answer.
   * Throws `unavailable` when the actor is not running, stops first or has a full mailbox,
   * `deadline_exceeded` after `timeoutMs` (a message that still waits is then not handled at all),
   * and otherwise what the handler refused with or crashed on.
   */
  call<Type extends Messages['type']>(
    message: { readonly type: Type } & MessageOf<Messages, Type>,
    options?: CallOptions,
  ): Promise<ReplyTo<MessageOf<Messages, Type>>>;
  /** Sends a message without waiting. False when it was not accepted: the mailbox is full or the actor not running. */
  cast(message: Messages): boolean;
}
