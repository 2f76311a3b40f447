import { PackhorseError } from '#base';
import { type Capabilities, parseCapabilities } from './capabilities.ts';
import { pktLineText } from './pkt-line.ts';
import type { PktReader } from './pkt-reader.ts';

/** One request of protocol v2 (gitprotocol-v2, "Command Request"), not yet interpreted. */
export interface CommandRequest {
  readonly command: string;
  readonly capabilities: Capabilities;
  readonly arguments: readonly string[];
}

/**
 * Reads the next request; undefined when the client ends the conversation. Throws
 * `invalid_argument`, or `resource_exhausted` past `maxLines` lines.
 */
export async function readCommand(reader: PktReader, maxLines: number): Promise<CommandRequest | undefined> {
  const head: string[] = [];
  const rest: string[] = [];
  let lines = head;
  for (;;) {
    const line = await reader.read();
    if (line === undefined) {
      if (head.length === 0) return undefined;
      throw new PackhorseError('invalid_argument', 'The connection ended in the middle of a request.');
    }
    if (line.kind === 'flush') break;
    if (line.kind === 'delim' && lines === head) lines = rest;
    else if (line.kind === 'data') lines.push(pktLineText(line.payload));
    else throw new PackhorseError('invalid_argument', `unexpected ${line.kind} packet in a request`);
    if (head.length + rest.length > maxLines) {
      throw new PackhorseError('resource_exhausted', 'The request has too many lines.', {
        metadata: { maxLines },
      });
    }
  }
  if (head.length === 0 && lines === head) return undefined;
  const command = head.find((line) => line.startsWith('command='))?.slice('command='.length);
  if (command === undefined) throw new PackhorseError('invalid_argument', 'no command requested');
  const capabilities = new Map(head.flatMap((line) => [...parseCapabilities(line)]));
  return { command, capabilities, arguments: rest };
}
