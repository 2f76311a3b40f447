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
import type { PktReader } from './pkt-reader.ts';
import type { ReceivePackPolicy, RefCommand } from './repository.ts';

/** All that a push says before its pack (gitprotocol-pack, "Reference Update Request"). */
export interface PushRequest {
  readonly commands: readonly RefCommand[];
  readonly capabilities: Capabilities;
  readonly pushOptions: readonly string[];
  readonly clientShallows: readonly Oid[];
  /** True when a pack follows: there is something that is not deleted. */
  readonly hasPack: boolean;
}

export interface PushRules {
  readonly objectFormat: ObjectFormat;
  readonly policy: ReceivePackPolicy;
  readonly settings: Settings['wire'];
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
  const maxCommands = Math.min(rules.settings.maxCommands, rules.policy.maxCommands);
  const commands: RefCommand[] = [];
  const clientShallows = new Set<Oid>();
  let capabilities: Capabilities | undefined;
  for (;;) {
    const line = await reader.read();
    if (line === undefined) {
      if (commands.length === 0 && clientShallows.size === 0) return undefined;
      throw invalid('The connection ended in the middle of a request.');
    }
    if (line.kind === 'flush') break;
    if (line.kind !== 'data') throw invalid(`unexpected ${line.kind} packet in a push`);
    const text = textOf(line.payload);
    if (text.startsWith('shallow ')) {
      clientShallows.add(parseShallow(text, rules));
      continue;
    }
    const nul = text.indexOf('\0');
    if (capabilities === undefined) {
      capabilities = parseCapabilities(nul < 0 ? '' : text.slice(nul + 1));
      onCapabilities(capabilities);
    }
    const commandText = nul < 0 ? text : text.slice(0, nul);
    if (commandText === 'push-cert') throw invalid('This server does not accept signed pushes.');
    commands.push(parseCommand(commandText, rules.objectFormat));
    if (commands.length > maxCommands) {
      throw new PackhorseError('resource_exhausted', 'The push updates too many refs at once.', {
        metadata: { maxCommands },
      });
    }
  }
  if (capabilities === undefined) return undefined;
  return {
    commands,
    capabilities,
    pushOptions: await readPushOptions(reader, rules, capabilities),
    clientShallows: [...clientShallows],
    hasPack: commands.some((command) => !isDeletion(command)),
  };
}

function parseShallow(text: string, rules: PushRules): Oid {
  const oid = text.slice('shallow '.length);
  if (!isOid(oid, rules.objectFormat)) throw invalid(`protocol error: expected shallow sha, got '${oid}'`);
  return oid;
}

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
