import { type ByteStream, type ObjectFormat, PackhorseError } from '#base';
import { receivePackAdvertisement } from './advertisement.ts';
import type { Capabilities } from './capabilities.ts';
import { conduct } from './conduct.ts';
import type { Conversation } from './conversation.ts';
import { drain } from './drain.ts';
import { KeepAlive } from './keep-alive.ts';
import type { WireOptions } from './options.ts';
import { PktReader } from './pkt-reader.ts';
import type { PktWriter } from './pkt-writer.ts';
import { checkNonce, makeNonce, type NonceCheck } from './push-certificate.ts';
import { type Push, PushExecution } from './push-execution.ts';
import { type PushRequest, readPushRequest } from './push-request.ts';
import { encodeReport, type PushReport } from './report.ts';
import type { CertificatePolicy, Quarantine, ReceivePackRepository } from './repository.ts';

/**
 * Sends what a pushing client reads first. Pushes know no version 2: it is answered as version 0,
 * as by Git. Rejects only with what the door has to log or with `cancelled`.
 */
export function advertiseReceivePack(
  repository: ReceivePackRepository,
  conversation: Conversation,
  options: WireOptions,
): Promise<void> {
  return conduct(conversation, options, async (writer) => {
    const [snapshot, shallows, alternateTips] = await Promise.all([
      repository.refs(),
      repository.shallows(),
      repository.alternateTips(),
    ]);
    const { objectFormat, receivePolicy: policy } = repository;
    const version = conversation.version === 1 ? 1 : 0;
    const input = {
      snapshot,
      policy,
      objectFormat,
      agent: options.agent,
      sessionId: options.sessionId,
      nonce: policy.certificates && issueNonce(policy.certificates, objectFormat, conversation, options),
      version,
      shallows,
      alternateTips,
    } as const;
    await writer.encoded(...receivePackAdvertisement(input));
  });
}

/**
 * Takes a push in: commands, pack into the quarantine, checks, one ref transaction, report.
 * Rejects only with what the door has to log or with `cancelled`; everything else is told to the client.
 */
export async function serveReceivePack(
  repository: ReceivePackRepository,
  conversation: Conversation,
  options: WireOptions,
): Promise<void> {
  const reader = new PktReader(conversation.input);
  let outcome: PushOutcome | undefined;
  try {
    await conduct(conversation, options, async (writer) => {
      const { objectFormat, receivePolicy: policy } = repository;
      const { stateless } = conversation;
      const rules = { objectFormat, policy, settings: options.settings, stateless };
      const request = await readPushRequest(reader, rules, (capabilities) => {
        if (capabilities.has('side-band-64k')) writer.useSideband('side-band-64k');
      });
      if (request === undefined) {
        outcome = nothingPushed;
        return;
      }
      requireObjectFormat(request.capabilities, objectFormat);
      const nonce = nonceOf(repository, request, conversation, options);
      const push = { repository, request, writer, conversation, options, nonce };
      const execution = new PushExecution(push);
      outcome = await takePush(push, execution, reader);
      // Refs have moved: what follows does not depend on somebody still listening.
      const [answered] = await Promise.allSettled([answer(writer, request, outcome)]);
      await execution.after();
      if (answered.status === 'rejected') throw answered.reason;
      if (writer.hasSideband) await writer.flush();
    });
  } finally {
    const isReadToTheEnd = outcome?.tookPack === true || conversation.signal.aborted;
    if (!isReadToTheEnd) await drain(reader.rest(), options.clock, options.settings);
  }
  if (outcome?.failure?.code === 'internal') throw outcome.failure;
}

function requireObjectFormat(capabilities: Capabilities, objectFormat: ObjectFormat): void {
  const client = capabilities.get('object-format') ?? 'sha1';
  if (client === objectFormat) return;
  throw new PackhorseError('invalid_argument', `error: unsupported object format '${client}'`);
}

/** What the client of a dialogue was given to sign. */
const issuedNonces = new WeakMap<Conversation, string>();

function issueNonce(
  policy: CertificatePolicy,
  format: ObjectFormat,
  conversation: Conversation,
  { clock }: WireOptions,
): string {
  const nonce = makeNonce(policy, format, Math.floor(clock.nowMs() / 1000));
  issuedNonces.set(conversation, nonce);
  return nonce;
}

function nonceOf(
  repository: ReceivePackRepository,
  { certificate }: PushRequest,
  conversation: Conversation,
  options: WireOptions,
): NonceCheck | undefined {
  const { receivePolicy, objectFormat: format } = repository;
  const policy = receivePolicy.certificates;
  if (certificate === undefined || policy === undefined) return undefined;
  const issued = issuedNonces.get(conversation) ?? issueNonce(policy, format, conversation, options);
  const { stateless } = conversation;
  return checkNonce({ policy, format, given: certificate.nonce, issued, stateless });
}

interface PushOutcome {
  readonly report: PushReport;
  /** True when nothing that the client sends for this push is left unread. */
  readonly tookPack: boolean;
  /** What went wrong besides what the report says of single commands. */
  readonly failure?: PackhorseError | undefined;
}

const nothingPushed: PushOutcome = { report: { unpack: 'ok', results: [] }, tookPack: true };

async function answer(writer: PktWriter, { capabilities }: PushRequest, outcome: PushOutcome): Promise<void> {
  const withOptions = capabilities.has('report-status-v2');
  if (withOptions || capabilities.has('report-status')) {
    await writer.data(encodeReport(outcome.report, withOptions));
  }
}

async function takePush(push: Push, execution: PushExecution, reader: PktReader): Promise<PushOutcome> {
  const { repository, request, conversation } = push;
  const { verdicts } = execution;
  const report = (unpack: string): PushReport => ({ unpack, results: verdicts.results() });
  await execution.before();
  if (execution.isLost) {
    execution.finish();
    return { report: report('ok'), tookPack: !request.hasPack };
  }
  await using resources = new AsyncDisposableStack();
  const opened: { quarantine?: Quarantine } = {};
  const unpackFailure = await execution.guarded(async () => {
    opened.quarantine = resources.use(await repository.openQuarantine(conversation.signal));
    if (request.hasPack) await receive(push, opened.quarantine, reader);
  });
  const { quarantine } = opened;
  if (unpackFailure !== undefined || quarantine === undefined) {
    verdicts.refuseAll('unpacker error');
    const unpack = unpackFailure?.message ?? 'unable to create temporary object directory';
    return { report: report(unpack), tookPack: !request.hasPack, failure: unpackFailure };
  }
  const failure = await execution.guarded(() => execution.run(quarantine));
  if (failure !== undefined) verdicts.refuseOpen(failure.message);
  execution.finish();
  return { report: report('ok'), tookPack: true, failure };
}

/** Pipes the pack into the quarantine; keep-alive packets go out once neither side has moved for a while. */
async function receive(push: Push, quarantine: Quarantine, reader: PktReader): Promise<void> {
  const { request, writer, options, repository } = push;
  const { keepAliveMs = options.settings.keepAliveMs, maxPackBytes } = repository.receivePolicy;
  using silence = new KeepAlive(writer, options.clock, keepAliveMs);
  const tell = (text: Uint8Array): void => {
    silence.touch();
    // A client that does not listen any more is found out when the report is written.
    writer.progress(text).catch(() => undefined);
  };
  await quarantine.receive(
    watched(reader.rest(), () => silence.touch()),
    {
      maxPackBytes,
      clientShallows: request.clientShallows,
      onMessage: tell,
      ...(request.capabilities.has('quiet') || !writer.hasSideband ? {} : { onProgress: tell }),
    },
  );
}

/** `stream`, with `onChunk` called for every chunk of it. */
function watched(stream: ByteStream, onChunk: () => void): ByteStream {
  const source = stream[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const result = await source.next();
    onChunk();
    return result;
  };
  const stop = (): Promise<IteratorResult<Uint8Array>> => Promise.resolve({ done: true, value: undefined });
  return { [Symbol.asyncIterator]: () => ({ next, return: stop }) };
}
