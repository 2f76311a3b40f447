import { type ErrorCode, hasCode } from '#base';
import type { Conversation } from './conversation.ts';
import type { WireOptions } from './options.ts';
import { PktWriter } from './pkt-writer.ts';

/** Errors whose message is meant for the person at the other end. */
const toldCodes: readonly ErrorCode[] = [
  'invalid_argument',
  'unauthenticated',
  'permission_denied',
  'not_found',
  'already_exists',
  'failed_precondition',
  'aborted',
  'resource_exhausted',
  'unavailable',
  'deadline_exceeded',
];

/**
 * Runs one service of the protocol. What the client caused, or can do something about, is told to
 * it and ends the conversation cleanly. What is broken here is told as well and thrown on for the
 * door to log; anything else is told in general words and thrown on, as is what can no longer be told. A client that is gone ends it with `cancelled`.
 */
export async function conduct(
  conversation: Conversation,
  options: WireOptions,
  work: (writer: PktWriter) => Promise<void>,
): Promise<void> {
  const writer = new PktWriter(conversation.output);
  try {
    await work(writer);
    await writer.send();
  } catch (error) {
    if (conversation.signal.aborted || hasCode(error, 'cancelled')) throw error;
    if (hasCode(error, 'data_loss')) {
      await writer.fail(error.message).catch(() => undefined);
      throw error;
    }
    // A web server has a status for this, which also tells when to come again.
    if (hasCode(error, 'unavailable') && conversation.stateless && !writer.hasWritten) throw error;
    if (hasCode(error, ...toldCodes)) {
      options.log.info('git request refused', { error });
      if (await writer.fail(error.message)) return;
      throw error;
    }
    await writer.fail('Something went wrong on the server.').catch(() => undefined);
    throw error;
  }
}
