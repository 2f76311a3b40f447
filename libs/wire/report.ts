import { maxPktPayloadBytes, pktText } from './pkt-line.ts';
import type { CommandResult, RefReport } from './repository.ts';

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

/** The report as pkt-lines with its own flush; `withOptions` for `report-status-v2`. */
export function encodeReport(report: PushReport, withOptions: boolean): Buffer {
  let text = reportLine('unpack', report.unpack);
  for (const result of report.results) {
    if (result.status === 'rejected') text += reportLine(`ng ${result.name}`, result.reason);
    else text += okLines(result.name, withOptions ? (result.reports ?? []) : []);
  }
  return Buffer.from(`${text}0000`);
}

function okLines(name: string, reports: readonly RefReport[]): string {
  const ok = pktText(`ok ${name}\n`);
  return reports.length === 0 ? ok : reports.map((report) => ok + optionLines(report)).join('');
}

function optionLines({ name, oldOid, newOid, forcedUpdate }: RefReport): string {
  return [
    ...(name === undefined ? [] : [`option refname ${name}\n`]),
    ...(oldOid === undefined ? [] : [`option old-oid ${oldOid}\n`]),
    ...(newOid === undefined ? [] : [`option new-oid ${newOid}\n`]),
    ...(forcedUpdate === true ? ['option forced-update\n'] : []),
  ]
    .map((line) => pktText(line))
    .join('');
}
