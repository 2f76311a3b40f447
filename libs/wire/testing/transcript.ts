import { type ByteStream, ManualClock, readSettings, silentLog } from '#base';
import type { Conversation } from '../conversation.ts';
import type { WireOptions } from '../options.ts';
import { decodePktLine, encodePktLine } from '../pkt-line.ts';

/** Conversations in the form that tests read and write: lines of text, `0000` for a flush, `0001` for a delimiter. */

const markers: ReadonlySet<string> = new Set(['0000', '0001', '0002']);

/** Text lines as bytes of the protocol; a Buffer among them passes as it is. */
export function packets(...lines: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    lines.map((line) => {
      if (typeof line !== 'string') return line;
      return markers.has(line) ? Buffer.from(line) : encodePktLine(line);
    }),
  );
}

/** Bytes of the protocol as text lines, without line feeds; what is no pkt-line comes last, as `raw:...`. */
export function transcript(bytes: Buffer): string[] {
  return exactTranscript(bytes).map((line) => line.replace(/\n$/, ''));
}

/** The same with the line feeds that end lines. */
export function exactTranscript(bytes: Buffer): string[] {
  const lines: string[] = [];
  let left = bytes;
  while (left.length > 0) {
    let decoded: ReturnType<typeof decodePktLine>;
    try {
      decoded = decodePktLine(left);
    } catch {
      return [...lines, `raw:${left.toString('latin1')}`];
    }
    if (decoded.status === 'incomplete') return [...lines, `raw:${left.toString('latin1')}`];
    const { line } = decoded;
    if (line.kind === 'data') lines.push(line.payload.toString());
    else lines.push({ flush: '0000', delim: '0001', 'response-end': '0002' }[line.kind]);
    left = left.subarray(decoded.consumedBytes);
  }
  return lines;
}

/** What one band of a side-banded answer carried. */
export function band(bytes: Buffer, number: 1 | 2 | 3): Buffer {
  const parts: Buffer[] = [];
  let left = bytes;
  while (left.length > 0) {
    const decoded = decodePktLine(left);
    if (decoded.status === 'incomplete') break;
    const { line } = decoded;
    if (line.kind === 'data' && line.payload[0] === number) parts.push(line.payload.subarray(1));
    left = left.subarray(decoded.consumedBytes);
  }
  return Buffer.concat(parts);
}

export interface ConverseOptions {
  readonly version?: 0 | 1 | 2;
  readonly stateless?: boolean;
  /** How the input is cut into chunks; whole by default. */
  readonly chunkBytes?: number;
  /** Where the answer is collected, for services that throw. */
  readonly written?: Uint8Array[];
  readonly wire?: Partial<WireOptions>;
  readonly limits?: Partial<WireOptions['settings']>;
}

export const testOptions: WireOptions = {
  settings: readSettings().wire,
  agent: 'packhorse/test',
  sessionId: 'a-session',
  clock: new ManualClock(),
  log: silentLog,
};

/** `bytes` in chunks of `chunkBytes`. */
export async function* chunked(bytes: Uint8Array, chunkBytes = bytes.length): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += Math.max(1, chunkBytes)) {
    yield bytes.subarray(start, start + Math.max(1, chunkBytes));
  }
}

/** Runs one service over `input` and returns everything that it answered. */
export async function converse(
  service: (conversation: Conversation, options: WireOptions) => Promise<void>,
  input: Uint8Array | ByteStream,
  options: ConverseOptions = {},
): Promise<Buffer> {
  const written = options.written ?? [];
  const conversation: Conversation = {
    input: input instanceof Uint8Array ? chunked(input, options.chunkBytes) : input,
    output: {
      write: (...chunks) => {
        written.push(...chunks);
        return Promise.resolve();
      },
    },
    version: options.version ?? 0,
    stateless: options.stateless ?? true,
    signal: new AbortController().signal,
  };
  const settings = { ...testOptions.settings, ...options.limits };
  await service(conversation, { ...testOptions, ...options.wire, settings });
  return Buffer.concat(written);
}
