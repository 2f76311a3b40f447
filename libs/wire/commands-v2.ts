import { type ObjectFormat, PackhorseError } from '#base';
import { pktLineText } from './pkt-line.ts';
import type { PktReader } from './pkt-reader.ts';
import type { UploadPackPolicy } from './repository.ts';

/** The commands of protocol v2 that this server knows. */
export type CommandName = 'ls-refs' | 'fetch' | 'object-info' | 'bundle-uri';

/** One request of protocol v2 (gitprotocol-v2, "Command Request"), its arguments not yet interpreted. */
export interface CommandRequest {
  readonly command: CommandName;
  /** What the client names itself in its session, for logs. */
  readonly sessionId: string | undefined;
  /** The promisor remotes that the client is going to ask itself. */
  readonly acceptedPromisors: readonly string[];
  readonly arguments: readonly string[];
}

/** What requests are read under. */
export interface CommandRules {
  readonly objectFormat: ObjectFormat;
  readonly policy: UploadPackPolicy;
  readonly maxLines: number;
}

function invalid(message: string): PackhorseError {
  return new PackhorseError('invalid_argument', message);
}

/**
 * Reads the next request; undefined when the client ends the conversation. Throws
 * `invalid_argument`, in Git's words, or `resource_exhausted` past `maxLines` lines.
 */
export async function readCommand(
  reader: PktReader,
  rules: CommandRules,
): Promise<CommandRequest | undefined> {
  const head: string[] = [];
  const rest: string[] = [];
  let lines = head;
  for (;;) {
    const line = await reader.read();
    if (line === undefined) {
      if (head.length === 0) return undefined;
      throw invalid('The connection ended in the middle of a request.');
    }
    if (line.kind === 'flush') break;
    if (line.kind === 'delim' && lines === head) lines = rest;
    else if (line.kind === 'data') lines.push(pktLineText(line.payload));
    else if (lines === head) throw invalid(`unexpected ${line.kind} packet in a request`);
    else throw expectedFlush(head);
    if (head.length + rest.length > rules.maxLines) {
      throw new PackhorseError('resource_exhausted', 'The request has too many lines.', {
        metadata: { maxLines: rules.maxLines },
      });
    }
  }
  if (head.length === 0 && lines === head) return undefined;
  return parseHead(head, rest, rules);
}

function expectedFlush(head: readonly string[]): PackhorseError {
  const command = head.find((line) => line.startsWith('command='))?.slice('command='.length) ?? '';
  const prefix = command === 'object-info' || command === 'bundle-uri' ? `${command}: ` : '';
  return invalid(`${prefix}expected flush after ${prefix === '' ? `${command} ` : ''}arguments`);
}

/** Understands the command and the capabilities in front of the arguments. */
function parseHead(head: readonly string[], rest: readonly string[], rules: CommandRules): CommandRequest {
  let command: CommandName | undefined;
  let format = 'sha1';
  let sessionId: string | undefined;
  let acceptedPromisors: readonly string[] = [];
  for (const line of head) {
    const equals = line.indexOf('=');
    const name = equals < 0 ? line : line.slice(0, equals);
    const value = equals < 0 ? undefined : line.slice(equals + 1);
    if (name === 'command' && value !== undefined) {
      if (command !== undefined) {
        throw invalid(`command '${value}' requested after already requesting command '${command}'`);
      }
      command = commandOf(value, rules.policy);
    } else if (name === 'object-format') format = objectFormatOf(value);
    else if (name === 'session-id' && rules.policy.advertiseSessionId === true) sessionId = value ?? '';
    else if (name === 'promisor-remote' && rules.policy.promisorAdvertisement !== undefined)
      acceptedPromisors = acceptedOf(value ?? '', rules.policy);
    else if (name !== 'agent' && name !== 'server-option') throw invalid(`unknown capability '${line}'`);
  }
  if (command === undefined) throw invalid('no command requested');
  if (format !== rules.objectFormat) {
    throw invalid(`mismatched object format: server ${rules.objectFormat}; client ${format}`);
  }
  return { command, sessionId, acceptedPromisors, arguments: rest };
}

function commandOf(name: string, policy: UploadPackPolicy): CommandName {
  if (name === 'ls-refs' || name === 'fetch') return name;
  if (name === 'object-info' && policy.advertiseObjectInfo === true) return name;
  if (name === 'bundle-uri' && policy.advertiseBundleUris === true) return name;
  throw invalid(`invalid command '${name}'`);
}

function objectFormatOf(value: string | undefined): ObjectFormat {
  if (value === 'sha1' || value === 'sha256') return value;
  throw invalid(
    value === undefined
      ? 'object-format capability requires an argument'
      : `unknown object format '${value}'`,
  );
}

/** Those of the names that are promisor remotes here; Git, too, takes no offence at others. */
function acceptedOf(value: string, policy: UploadPackPolicy): readonly string[] {
  const names = value.split(';').map((name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  });
  return names.filter((name) => policy.promisorRemotes?.includes(name) === true);
}
