import type { Contestant } from './contestant.ts';
import type { Metric, Row, Transport } from './row.ts';
import { median } from './statistics.ts';

/** What one server reached in one metric of one row. */
export interface Measurement {
  readonly contestant: string;
  readonly transport: Transport;
  readonly samples: readonly number[];
  readonly median: number;
  /** How many times better than the baseline of the same transport; above 1 is better, whatever the unit. */
  readonly ratio: number | undefined;
  /** Whether it reaches the goal of its transport; undefined where there is none, and for the others' servers. */
  readonly reachesGoal: boolean | undefined;
}

export interface ReportLine {
  readonly row: string;
  readonly title: string;
  readonly metric: Metric;
  readonly measurements: readonly Measurement[];
}

type Samples = ReadonlyMap<Contestant, readonly (readonly number[])[]>;

/** One line for each metric of a row; `samples` has the values of every round. */
export function reportLines(row: Row, samples: Samples): readonly ReportLine[] {
  return row.metrics.map((metric, index) => {
    const medians = new Map(
      [...samples].map(([contestant, rounds]) => [contestant, median(column(rounds, index))]),
    );
    const measurements = [...samples].map(([contestant, rounds]): Measurement => {
      const baseline = [...medians].find(
        ([other]) => other.isBaseline && other.transport === contestant.transport,
      );
      const value = medians.get(contestant) ?? Number.NaN;
      const ratio =
        baseline === undefined || contestant.isBaseline ? undefined : better(metric, value, baseline[1]);
      return {
        contestant: contestant.name,
        transport: contestant.transport,
        samples: column(rounds, index),
        median: value,
        ratio,
        reachesGoal: contestant.isOurs ? reachesGoal(metric, contestant.transport, value, ratio) : undefined,
      };
    });
    return { row: row.id, title: row.title, metric, measurements };
  });
}

function reachesGoal(
  metric: Metric,
  transport: Transport,
  value: number,
  ratio: number | undefined,
): boolean | undefined {
  const atLeast = metric.atLeast?.[transport];
  if (metric.atMost !== undefined) return value <= metric.atMost;
  return atLeast === undefined || ratio === undefined ? undefined : ratio >= atLeast;
}

function column(rounds: readonly (readonly number[])[], index: number): readonly number[] {
  return rounds.map((values) => values[index] ?? Number.NaN);
}

function better(metric: Metric, value: number, baseline: number): number {
  return metric.unit === 'requests/s' ? value / baseline : baseline / value;
}

const width = 24;
const titleWidth = 58;
const goalWidth = 10;

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function cell(measurement: Measurement | undefined): string {
  if (measurement === undefined) return '-'.padStart(width);
  const { median: value, ratio, reachesGoal: reaches } = measurement;
  const compared = ratio === undefined ? '' : ` (${rounded(ratio)}x)`;
  return `${rounded(value)}${compared}${reaches === false ? ' !' : '  '}`.padStart(width);
}

/** What a metric has to reach over one of the transports, such as `20x`, or `max 100`. */
function goal({ atLeast, atMost }: Metric, transports: readonly Transport[]): string {
  if (atMost !== undefined) return `max ${atMost}`;
  const ratio = transports.map((transport) => atLeast?.[transport]).find((wanted) => wanted !== undefined);
  return ratio === undefined ? '' : `${Number(ratio.toFixed(2))}x`;
}

function isMeasured({ measurements }: ReportLine, { name, transport }: Contestant): boolean {
  return measurements.some((each) => each.contestant === name && each.transport === transport);
}

/** A table for each transport; git daemon stands beside the HTTP servers. */
export function formatTable(lines: readonly ReportLine[], contestants: readonly Contestant[]): string {
  const groups: readonly { readonly title: string; readonly transports: readonly Transport[] }[] = [
    { title: 'Over HTTP, and git daemon', transports: ['http', 'git'] },
    { title: 'Over SSH', transports: ['ssh'] },
  ];
  return groups
    .map(({ title, transports }) => {
      const members = contestants.filter(
        (one) => transports.includes(one.transport) && lines.some((line) => isMeasured(line, one)),
      );
      const names = members.map(({ name }) => name.padStart(width)).join('');
      const header = title.padEnd(titleWidth) + 'at least'.padStart(goalWidth) + names;
      const body = lines
        .filter(({ measurements }) => measurements.some(({ transport }) => transports.includes(transport)))
        .map(({ title: row, metric, measurements }) => {
          const cells = members.map((member) =>
            cell(measurements.find((m) => m.contestant === member.name && m.transport === member.transport)),
          );
          const what = `${row}: ${metric.name} [${metric.unit}]`.padEnd(titleWidth);
          return what + goal(metric, transports).padStart(goalWidth) + cells.join('');
        });
      return [header, '-'.repeat(header.length), ...body].join('\n');
    })
    .join('\n\n');
}
