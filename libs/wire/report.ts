import { maxPktPayloadBytes, pktText } from './pkt-line.ts';
import type { CommandResult } from './repository.ts';

/** What became of a push (gitprotocol-pack, "Report Status"). */
export interface PushReport {
  /** `ok`, or why the pack could not be taken in. */
  readonly unpack: string;
  readonly results: readonly CommandResult[];
}

/** `head` and `reason` as one pkt-line: a line feed inside a reason would be read as its end. */
function reportLine(head: string, reason: string): string {
  const text = Buffer.from(`${head} ${reason.replaceAll(/\s+/g, ' ').trim()}`);
  const limitBytes = maxPktPayloadBytes - 4;
  return pktText(`${text.length > limitBytes ? text.toString('utf8', 0, limitBytes) : text.toString()}\n`);
}

/** The report as pkt-lines with its own flush. */
export function encodeReport(report: PushReport): Buffer {
  let text = reportLine('unpack', report.unpack);
  for (const result of report.results) {
    text +=
      result.status === 'ok'
        ? pktText(`ok ${result.name}\n`)
        : reportLine(`ng ${result.name}`, result.reason);
  }
  return Buffer.from(`${text}0000`);
}
