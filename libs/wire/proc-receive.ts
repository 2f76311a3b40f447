import { type ByteSink, type ByteStream, hasCode, isOid, type ObjectFormat } from '#base';
import { parseCapabilities } from './capabilities.ts';
import { encodePktLine, flushPkt, type PktLine, pktLineText } from './pkt-line.ts';
import { PktReader } from './pkt-reader.ts';
import type { RefCommand, RefReport } from './repository.ts';

/** What the proc-receive hook is to do (githooks, "proc-receive"). */
export interface ProcReceiveRequest {
  readonly commands: readonly RefCommand[];
  /** Refs of the push that are not the hook's business. */
  readonly otherNames: ReadonlySet<string>;
  readonly atomic: boolean;
  /** undefined when the client negotiated none. */
  readonly pushOptions: readonly string[] | undefined;
  readonly objectFormat: ObjectFormat;
}

/** What the hook said of one command. */
export type ProcReceiveResult =
  | { readonly kind: 'ok'; readonly reports: readonly RefReport[] }
  | { readonly kind: 'ng'; readonly reason: string }
  /** The server is to do it as if there were no hook. */
  | { readonly kind: 'fall-through' };

export interface ProcReceiveAnswer {
  readonly results: ReadonlyMap<RefCommand, ProcReceiveResult>;
  /** What was wrong with the conversation, for the user. */
  readonly problems: readonly string[];
  /** False when anything failed: a command, or the conversation. */
  readonly succeeded: boolean;
}

/** Talks to the proc-receive hook over its standard streams: versions, commands, push options, report. */
export async function talkToProcReceive(
  request: ProcReceiveRequest,
  input: ByteStream,
  output: ByteSink,
): Promise<ProcReceiveAnswer> {
  const reader = new PktReader(input);
  const write = async (...lines: readonly string[]): Promise<boolean> => {
    try {
      await output.write(...lines.map((line) => encodePktLine(line)), flushPkt);
      return true;
    } catch {
      return false;
    }
  };
  const hook = await negotiate(request, reader, write);
  if (hook === undefined) return failed('fail to negotiate version with proc-receive hook');
  if (hook.version > 1) return failed(`proc-receive version '${hook.version}' is not supported`);
  const lines = request.commands.map(({ oldOid, newOid, name }) => `${oldOid} ${newOid} ${name}`);
  if (!(await write(...lines))) return failed('fail to write commands to proc-receive hook');
  if (hook.takesPushOptions && !(await write(...(request.pushOptions ?? [])))) {
    return failed('fail to write push-options to proc-receive hook');
  }
  return await readReport(request, reader);
}

function failed(problem: string): ProcReceiveAnswer {
  return { results: new Map(), problems: [problem], succeeded: false };
}

/** The next line; undefined when the hook has ended. */
async function nextLine(reader: PktReader): Promise<PktLine | undefined> {
  try {
    return await reader.read();
  } catch (error) {
    // Half a line, or none: the hook broke off.
    if (hasCode(error, 'invalid_argument')) return undefined;
    throw error;
  }
}

async function negotiate(
  { atomic, pushOptions }: ProcReceiveRequest,
  reader: PktReader,
  write: (...lines: readonly string[]) => Promise<boolean>,
): Promise<{ readonly version: number; readonly takesPushOptions: boolean } | undefined> {
  const features = [...(atomic ? ['atomic'] : []), ...(pushOptions === undefined ? [] : ['push-options'])];
  if (!(await write(features.length === 0 ? 'version=1\n' : `version=1\0${features.join(' ')}\n`))) {
    return undefined;
  }
  let version = 0;
  let takesPushOptions = false;
  for (;;) {
    const line = await nextLine(reader);
    if (line === undefined) return undefined;
    if (line.kind !== 'data') return { version, takesPushOptions };
    const [head = '', offered = ''] = pktLineText(line.payload).split('\0');
    if (!head.startsWith('version=')) continue;
    version = Number.parseInt(head.slice('version='.length), 10) || 0;
    takesPushOptions ||= parseCapabilities(offered).has('push-options');
  }
}

/** Reads the report of the hook, which is the one of git-push with options and `fall-through`. */
async function readReport(request: ProcReceiveRequest, reader: PktReader): Promise<ProcReceiveAnswer> {
  const report = new Report(request);
  let isFirst = true;
  for (;;) {
    const line = await nextLine(reader);
    if (line === undefined && isFirst) return failed('proc-receive exited abnormally');
    if (line?.kind !== 'data') return report.finish();
    isFirst = false;
    report.add(pktLineText(line.payload));
  }
}

class Report {
  readonly #request: ProcReceiveRequest;
  readonly #byName: ReadonlyMap<string, RefCommand>;
  readonly #results = new Map<RefCommand, ProcReceiveResult>();
  readonly #reports = new Map<RefCommand, RefReport[]>();
  readonly #problems: string[] = [];
  #succeeded = true;
  /** What the last `ok` line was about. */
  #current: RefCommand | undefined;
  #isNewReport = false;
  #saidOption = false;

  constructor(request: ProcReceiveRequest) {
    this.#request = request;
    this.#byName = new Map(request.commands.map((command) => [command.name, command]));
  }

  add(line: string): void {
    const [head, rest] = cut(line);
    if (rest === undefined) this.#complain(`proc-receive reported incomplete status line: '${head}'`);
    else if (head === 'option') this.#addOption(rest);
    else this.#addStatus(head, rest);
  }

  #complain(problem: string): void {
    this.#problems.push(problem);
    this.#succeeded = false;
  }

  #addStatus(status: string, rest: string): void {
    this.#current = undefined;
    const [name, reason] = cut(rest);
    if (status !== 'ok' && status !== 'ng') {
      this.#complain(`proc-receive reported bad status '${status}' on ref '${name}'`);
      return;
    }
    const command = this.#byName.get(name);
    if (command === undefined) {
      this.#complain(
        `proc-receive reported status on ${this.#request.otherNames.has(name) ? 'unexpected' : 'unknown'} ref: ${name}`,
      );
      return;
    }
    if (status === 'ng') {
      this.#results.set(command, { kind: 'ng', reason: reason ?? 'failed' });
      this.#succeeded = false;
      return;
    }
    this.#current = command;
    this.#isNewReport = true;
    if (!this.#results.has(command)) this.#results.set(command, { kind: 'ok', reports: [] });
  }

  #addOption(text: string): void {
    const command = this.#current;
    if (command === undefined) {
      if (!this.#saidOption)
        this.#problems.push("proc-receive reported 'option' without a matching 'ok/ng' directive");
      this.#saidOption = true;
      this.#succeeded = false;
      return;
    }
    const reports = this.#reports.get(command) ?? [];
    this.#reports.set(command, reports);
    if (this.#isNewReport) reports.push({});
    this.#isNewReport = false;
    const [key, value] = cut(text);
    if (key === 'fall-through') this.#results.set(command, { kind: 'fall-through' });
    else reports.push({ ...reports.pop(), ...this.#field(key, value) });
  }

  #field(key: string, value: string | undefined): RefReport {
    const oid = value !== undefined && isOid(value, this.#request.objectFormat) ? value : undefined;
    if (key === 'refname' && value !== undefined) return { name: value };
    if (key === 'old-oid' && oid !== undefined) return { oldOid: oid };
    if (key === 'new-oid' && oid !== undefined) return { newOid: oid };
    return key === 'forced-update' ? { forcedUpdate: true } : {};
  }

  finish(): ProcReceiveAnswer {
    const results = new Map<RefCommand, ProcReceiveResult>();
    for (const command of this.#request.commands) {
      const result = this.#results.get(command);
      if (result === undefined) {
        results.set(command, { kind: 'ng', reason: 'proc-receive failed to report status' });
        this.#succeeded = false;
      } else if (result.kind === 'ok') {
        results.set(command, { kind: 'ok', reports: this.#reports.get(command) ?? [] });
      } else results.set(command, result);
    }
    return { results, problems: this.#problems, succeeded: this.#succeeded };
  }
}

/** `one two three` as `one` and `two three`. */
function cut(text: string): readonly [string, string | undefined] {
  const space = text.indexOf(' ');
  return space < 0 ? [text, undefined] : [text.slice(0, space), text.slice(space + 1)];
}
