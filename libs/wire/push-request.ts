import { isUtf8 } from 'node:buffer';
import {
  isOid,
  isZeroOid,
  type ObjectFormat,
  type Oid,
  oidLength,
  PackhorseError,
  type Settings,
} from '#base';
import { type Capabilities, parseCapabilities } from './capabilities.ts';
import { pktLineText } from './pkt-line.ts';
import { parseCertificate, type PushCertificate } from './push-certificate.ts';
import type { PktReader } from './pkt-reader.ts';
import type { ReceivePackPolicy, RefCommand } from './repository.ts';

/** All that a push says before its pack (gitprotocol-pack, "Reference Update Request"). */
export interface PushRequest {
  readonly commands: readonly RefCommand[];
  readonly capabilities: Capabilities;
  readonly pushOptions: readonly string[];
  readonly clientShallows: readonly Oid[];
  /** Of a signed push; its commands are `commands`. */
  readonly certificate?: PushCertificate;
  /** True when a pack follows: there is something that is not deleted. */
  readonly hasPack: boolean;
}

export interface PushRules {
  readonly objectFormat: ObjectFormat;
  readonly policy: ReceivePackPolicy;
  readonly settings: Settings['wire'];
  /** The request stands alone, and may be empty. */
  readonly stateless: boolean;
}

export function isDeletion(command: RefCommand): boolean {
  return isZeroOid(command.newOid);
}

function invalid(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}

/** A line as text; names that are not UTF-8 could not be written back as they came. */
function textOf(payload: Buffer): string {
  if (!isUtf8(payload)) throw invalid('protocol error: ref names and push options must be UTF-8');
  return pktLineText(payload);
}

function parseCommand(text: string, objectFormat: ObjectFormat): RefCommand {
  const digits = oidLength(objectFormat);
  const oldOid = text.slice(0, digits);
  const newOid = text.slice(digits + 1, 2 * digits + 1);
  const name = text.slice(2 * digits + 2);
  const isWellFormed =
    isOid(oldOid, objectFormat) &&
    isOid(newOid, objectFormat) &&
    text[digits] === ' ' &&
    text[2 * digits + 1] === ' ' &&
    name !== '';
  if (!isWellFormed) throw invalid(`protocol error: expected old/new/ref, got '${text}'`);
  return { name, oldOid, newOid };
}

/**
 * Reads everything up to the pack; undefined when the client pushes nothing. `onCapabilities` is
 * told them as soon as they are known, as errors may then be framed differently. Throws
 * `invalid_argument`, or `resource_exhausted` past a limit.
 */
export async function readPushRequest(
  reader: PktReader,
  rules: PushRules,
  onCapabilities: (capabilities: Capabilities) => void,
): Promise<PushRequest | undefined> {
  const draft = new Draft(rules);
  let capabilities: Capabilities | undefined;
  for (;;) {
    const line = await reader.read();
    if (line === undefined) {
      // In a dialogue, a client that has nothing to push says so with a flush.
      if (draft.isEmpty && !rules.stateless) throw hungUp();
      if (draft.isEmpty) return undefined;
      throw invalid('The connection ended in the middle of a request.');
    }
    if (line.kind === 'flush') break;
    if (line.kind !== 'data') throw invalid(`unexpected ${line.kind} packet in a push`);
    const text = textOf(line.payload);
    if (text.startsWith('shallow ')) {
      draft.addShallow(text);
      continue;
    }
    const nul = text.indexOf('\0');
    if (capabilities === undefined) {
      capabilities = parseCapabilities(nul < 0 ? '' : text.slice(nul + 1));
      onCapabilities(capabilities);
    }
    const commandText = nul < 0 ? text : text.slice(0, nul);
    if (commandText !== 'push-cert') draft.addCommand(commandText);
    else if (!draft.addCertificate(await readCertificate(reader, rules))) break;
  }
  if (capabilities === undefined) return undefined;
  return { ...draft.finish(), capabilities, pushOptions: await readPushOptions(reader, rules, capabilities) };
}

/** What was read of a request so far. */
class Draft {
  readonly #rules: PushRules;
  readonly #commands: RefCommand[] = [];
  readonly #shallows = new Set<Oid>();
  #certificate: PushCertificate | undefined;

  constructor(rules: PushRules) {
    this.#rules = rules;
  }

  get isEmpty(): boolean {
    return this.#commands.length === 0 && this.#shallows.size === 0;
  }

  addCommand(text: string): void {
    if (this.#certificate !== undefined) throw mixed();
    this.#queue(text);
  }

  #queue(text: string): void {
    const { objectFormat, policy, settings } = this.#rules;
    const maxCommands = Math.min(settings.maxCommands, policy.maxCommands);
    this.#commands.push(parseCommand(text, objectFormat));
    if (this.#commands.length > maxCommands) {
      throw new PackhorseError('resource_exhausted', 'The push updates too many refs at once.', {
        metadata: { maxCommands },
      });
    }
  }

  addShallow(text: string): void {
    const oid = text.slice('shallow '.length);
    if (!isOid(oid, this.#rules.objectFormat)) {
      throw invalid(`protocol error: expected shallow sha, got '${oid}'`);
    }
    this.#shallows.add(oid);
  }

  /** False when the request ended with the certificate. */
  addCertificate({ bytes, isLast }: { readonly bytes: Buffer; readonly isLast: boolean }): boolean {
    if (this.#commands.length > 0) throw mixed();
    this.#certificate = parseCertificate(bytes);
    for (const line of this.#certificate.commandLines) this.#queue(line);
    return !isLast;
  }

  finish(): Pick<PushRequest, 'commands' | 'clientShallows' | 'certificate' | 'hasPack'> {
    return {
      commands: this.#commands,
      clientShallows: [...this.#shallows],
      hasPack: this.#commands.some((command) => !isDeletion(command)),
      ...(this.#certificate === undefined ? {} : { certificate: this.#certificate }),
    };
  }
}

function hungUp(): PackhorseError {
  return new PackhorseError('cancelled', 'the remote end hung up unexpectedly');
}

function mixed(): PackhorseError {
  return invalid('protocol error: got both push certificate and unsigned commands');
}

/** Lines up to `push-cert-end`, with their line feeds; `isLast` when a flush came instead. */
async function readCertificate(
  reader: PktReader,
  { policy, settings }: PushRules,
): Promise<{ readonly bytes: Buffer; readonly isLast: boolean }> {
  if (policy.certificates === undefined) throw invalid('This server does not accept signed pushes.');
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for (;;) {
    const line = await reader.read();
    if (line?.kind === 'flush') return { bytes: Buffer.concat(parts), isLast: true };
    if (line?.kind !== 'data') throw invalid('protocol error: got an unexpected packet');
    if (line.payload.equals(certificateEnd)) return { bytes: Buffer.concat(parts), isLast: false };
    parts.push(line.payload);
    sizeBytes += line.payload.length;
    if (sizeBytes > settings.maxCertificateBytes) {
      throw new PackhorseError('resource_exhausted', 'The push certificate is too large.');
    }
  }
}

const certificateEnd = Buffer.from('push-cert-end\n');

async function readPushOptions(
  reader: PktReader,
  rules: PushRules,
  capabilities: Capabilities,
): Promise<readonly string[]> {
  if (!capabilities.has('push-options')) return [];
  if (!rules.policy.advertisePushOptions) throw invalid('This server does not accept push options.');
  const pushOptions: string[] = [];
  for (;;) {
    const line = await reader.read();
    if (line === undefined) throw invalid('The connection ended in the middle of a request.');
    if (line.kind === 'flush') return pushOptions;
    if (line.kind !== 'data') throw invalid(`unexpected ${line.kind} packet in push options`);
    pushOptions.push(textOf(line.payload));
    if (pushOptions.length > rules.settings.maxPushOptions) {
      throw new PackhorseError('resource_exhausted', 'The push has too many push options.');
    }
  }
}
