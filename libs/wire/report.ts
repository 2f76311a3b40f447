import { pktText } from './pkt-line.ts';
import type { CommandResult } from './repository.ts';

/** What became of a push (gitprotocol-pack, "Report Status"). */
export interface PushReport {
  /** `ok`, or why the pack could not be taken in. */
  readonly unpack: string;
  readonly results: readonly CommandResult[];
}

/** One line: a line feed inside a reason would be read as the end of it. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** The report as pkt-lines with its own flush. */
export function encodeReport(report: PushReport): Buffer {
  let text = pktText(`unpack ${oneLine(report.unpack)}\n`);
  for (const result of report.results) {
    text +=
      result.status === 'ok'
        ? pktText(`ok ${result.name}\n`)
        : pktText(`ng ${result.name} ${oneLine(result.reason)}\n`);
  }
  return Buffer.from(`${text}0000`);
}
