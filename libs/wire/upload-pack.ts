import { protocolV2Advertisement, uploadPackAdvertisement } from './advertisement.ts';
import { serveBundleUri } from './bundle-uri.ts';
import { type CommandRequest, readCommand } from './commands-v2.ts';
import { conduct } from './conduct.ts';
import type { Conversation } from './conversation.ts';
import { parseFetch, serveFetch } from './fetch-v2.ts';
import { lsRefsAnswer, parseLsRefs } from './ls-refs.ts';
import { parseObjectInfo, serveObjectInfo } from './object-info.ts';
import type { WireOptions } from './options.ts';
import { PktReader } from './pkt-reader.ts';
import type { PktWriter } from './pkt-writer.ts';
import type { UploadPackRepository } from './repository.ts';
import { serveUploadPackV0 } from './upload-pack-v0.ts';

/**
 * Sends what a fetching client reads first: refs in versions 0 and 1, capabilities in version 2.
 * Rejects only with what the door has to log or with `cancelled`.
 */
export function advertiseUploadPack(
  repository: UploadPackRepository,
  conversation: Conversation,
  options: WireOptions,
): Promise<void> {
  return conduct(conversation, options, async (writer) => {
    const { uploadPolicy: policy, objectFormat } = repository;
    const { version, stateless } = conversation;
    if (version === 2) return writer.encoded(protocolV2Advertisement(policy, objectFormat, options));
    const { agent, sessionId } = options;
    const [snapshot, shallows] = await Promise.all([repository.refs(), repository.shallows()]);
    const input = { snapshot, policy, objectFormat, agent, sessionId, version, stateless, shallows };
    return writer.encoded(...uploadPackAdvertisement(input));
  });
}

/**
 * Answers a fetching client: stateless, exactly one request; else the dialogue until its end.
 * Rejects only with what the door has to log or with `cancelled`; everything else is told to the client.
 */
export function serveUploadPack(
  repository: UploadPackRepository,
  conversation: Conversation,
  options: WireOptions,
): Promise<void> {
  return conduct(conversation, options, async (writer) => {
    const reader = new PktReader(conversation.input);
    if (conversation.version !== 2) {
      return serveUploadPackV0(repository, conversation, reader, writer, options);
    }
    const { objectFormat, uploadPolicy: policy } = repository;
    const rules = { objectFormat, policy, maxLines: options.settings.maxArgumentLines };
    let acceptedPromisors: readonly string[] = [];
    do {
      const request = await readCommand(reader, rules);
      if (request === undefined) return;
      writer.useSideband('none');
      // A client says it once, and means the whole dialogue.
      if (request.acceptedPromisors.length > 0) acceptedPromisors = request.acceptedPromisors;
      await serveCommand(repository, { ...request, acceptedPromisors }, conversation, writer, options);
    } while (!conversation.stateless);
  });
}

async function serveCommand(
  repository: UploadPackRepository,
  request: CommandRequest,
  conversation: Conversation,
  writer: PktWriter,
  options: WireOptions,
): Promise<void> {
  const { uploadPolicy: policy, objectFormat } = repository;
  const { settings } = options;
  if (request.sessionId !== undefined) {
    options.log.debug('git client session', {
      sessionId: options.sessionId,
      clientSessionId: request.sessionId,
    });
  }
  switch (request.command) {
    case 'ls-refs': {
      const lsRefs = parseLsRefs(request.arguments, settings.maxRefPrefixes, policy.unborn);
      const snapshot = await repository.refs();
      const { maxRememberedAnswerBytes } = settings;
      const answer = lsRefsAnswer(snapshot, lsRefs, policy.hiddenRefs, maxRememberedAnswerBytes);
      for (const chunk of answer) await writer.encoded(chunk);
      return;
    }
    case 'fetch': {
      const fetch = parseFetch(request.arguments, { objectFormat, policy, settings });
      const allowMissingPromised = request.acceptedPromisors.length > 0;
      await serveFetch(repository, { ...fetch, allowMissingPromised }, conversation, writer, options);
      return;
    }
    case 'object-info':
      return serveObjectInfo(repository, parseObjectInfo(request.arguments), writer);
    case 'bundle-uri':
      return serveBundleUri(repository, request.arguments, conversation.stateless, writer);
  }
}
