import { type ByteStream, hasCode, type ObjectFormat, PackhorseError, toPackhorseError } from '#base';
import { receivePackAdvertisement } from './advertisement.ts';
import type { Capabilities } from './capabilities.ts';
import { conduct } from './conduct.ts';
import type { Conversation } from './conversation.ts';
import { drain } from './drain.ts';
import { KeepAlive } from './keep-alive.ts';
import type { WireOptions } from './options.ts';
import { PktReader } from './pkt-reader.ts';
import type { PktWriter } from './pkt-writer.ts';
import { checkCommands, checkObjects, type Rejections } from './push-policy.ts';
import { type PushRequest, readPushRequest } from './push-request.ts';
import { encodeReport, type PushReport } from './report.ts';
import type { CommandResult, Quarantine, ReceivePackRepository } from './repository.ts';

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
      const rules = { objectFormat, policy, settings: options.settings };
      const request = await readPushRequest(reader, rules, (capabilities) => {
        if (capabilities.has('side-band-64k')) writer.useSideband('side-band-64k');
      });
      if (request === undefined) {
        outcome = nothingPushed;
        return;
      }
      requireObjectFormat(request.capabilities, objectFormat);
      outcome = await takePush({ repository, request, reader, writer, conversation, options });
      await answer(writer, request, outcome);
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

/** A push and everything that takes part in it. */
interface Push {
  readonly repository: ReceivePackRepository;
  readonly request: PushRequest;
  readonly reader: PktReader;
  readonly writer: PktWriter;
  readonly conversation: Conversation;
  readonly options: WireOptions;
}

interface PushOutcome {
  readonly report: PushReport;
  /** True when nothing that the client sends for this push is left unread. */
  readonly tookPack: boolean;
  /** What went wrong besides what the report says of single commands. */
  readonly failure?: PackhorseError;
}

const nothingPushed: PushOutcome = { report: { unpack: 'ok', results: [] }, tookPack: true };

async function answer(writer: PktWriter, request: PushRequest, outcome: PushOutcome): Promise<void> {
  const { capabilities } = request;
  if (capabilities.has('report-status') || capabilities.has('report-status-v2')) {
    await writer.data(encodeReport(outcome.report));
  }
  if (writer.hasSideband) await writer.flush();
}

/** Wraps what was thrown on the way; a client that is gone is told nothing. */
function failureOf(push: Push, thrown: unknown): PackhorseError {
  if (push.conversation.signal.aborted || hasCode(thrown, 'cancelled')) throw thrown;
  const failure = toPackhorseError(thrown);
  push.options.log.info('push failed', { error: failure });
  return failure;
}

async function takePush(push: Push): Promise<PushOutcome> {
  const { repository, request, conversation } = push;
  const { hasPack } = request;
  const atomic = repository.receivePolicy.advertiseAtomic && request.capabilities.has('atomic');
  const early = checkCommands(request, repository.receivePolicy, await repository.refs());
  await explain(push, early);
  if (early.size === request.commands.length || (atomic && early.size > 0)) {
    return { report: { unpack: 'ok', results: resultsOf(request, early, []) }, tookPack: !hasPack };
  }
  await using resources = new AsyncDisposableStack();
  let quarantine: Quarantine;
  try {
    quarantine = resources.use(await repository.openQuarantine(conversation.signal));
    if (hasPack) await receive(push, quarantine);
  } catch (thrown) {
    const failure = failureOf(push, thrown);
    const results = request.commands.map(({ name }) => rejected(name, 'unpacker error'));
    return { report: { unpack: failure.message, results }, tookPack: !hasPack, failure };
  }
  try {
    const results = await updateRefs(push, quarantine, early, atomic);
    return { report: { unpack: 'ok', results }, tookPack: true };
  } catch (thrown) {
    const failure = failureOf(push, thrown);
    const results = request.commands.map(({ name }) => rejected(name, failure.message));
    return { report: { unpack: 'ok', results }, tookPack: true, failure };
  }
}

/** Pipes the pack into the quarantine; keep-alive packets go out once neither side has moved for a while. */
async function receive(push: Push, quarantine: Quarantine): Promise<void> {
  const { request, writer, options, repository, reader } = push;
  using silence = new KeepAlive(writer, options.clock, options.settings.keepAliveMs);
  const tell = (text: Uint8Array): void => {
    silence.touch();
    // A client that does not listen any more is found out when the report is written.
    writer.progress(text).catch(() => undefined);
  };
  await quarantine.receive(
    watched(reader.rest(), () => silence.touch()),
    {
      maxPackBytes: repository.receivePolicy.maxPackBytes,
      clientShallows: request.clientShallows,
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

/** Checks what could not be checked before, and runs the ref transaction for what is left. */
async function updateRefs(
  push: Push,
  quarantine: Quarantine,
  early: Rejections,
  atomic: boolean,
): Promise<readonly CommandResult[]> {
  const { request, repository, writer, options } = push;
  using _silence = new KeepAlive(writer, options.clock, options.settings.keepAliveMs);
  const checked = request.commands.filter((command) => !early.has(command));
  const late = await checkObjects(checked, repository.receivePolicy, quarantine);
  await explain(push, late);
  const rejections: Rejections = new Map([...early, ...late]);
  if (atomic && rejections.size > 0) return resultsOf(request, rejections, []);
  const accepted = request.commands.filter((command) => !rejections.has(command));
  const results =
    accepted.length === 0
      ? []
      : await quarantine.commit(accepted, { atomic, pushOptions: request.pushOptions });
  return resultsOf(request, rejections, results);
}

/** Says more of a refusal than fits into the report, as git does, on band 2. */
async function explain(push: Push, rejections: Rejections): Promise<void> {
  const notes = [...rejections.values()].flatMap(({ note }) =>
    note === undefined ? [] : [`error: ${note}\n`],
  );
  if (notes.length > 0) await push.writer.progress(Buffer.from(notes.join('')));
}

function rejected(name: string, reason: string): CommandResult {
  return { name, status: 'rejected', reason };
}

/** One result for each command: its own rejection, its result, or that it went down with the others. */
function resultsOf(
  request: PushRequest,
  rejections: Rejections,
  results: readonly CommandResult[],
): readonly CommandResult[] {
  const byName = new Map(results.map((result) => [result.name, result]));
  return request.commands.map((command) => {
    const rejection = rejections.get(command);
    if (rejection !== undefined) return rejected(command.name, rejection.reason);
    return byName.get(command.name) ?? rejected(command.name, 'atomic push failure');
  });
}
