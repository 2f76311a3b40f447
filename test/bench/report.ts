import type { Contestant } from './contestant.ts';
import type { Metric, Row } from './rows.ts';
import { median } from './statistics.ts';

/** What one server reached in one metric of one row. */
export interface Measurement {
  readonly contestant: string;
  readonly transport: Contestant['transport'];
  readonly samples: readonly number[];
  readonly median: number;
  /** How many times better than the baseline of the same transport; above 1 is better, whatever the unit. */
  readonly ratio: number | undefined;
}

export interface ReportLine {
  readonly row: string;
  readonly title: string;
  readonly metric: string;
  readonly unit: Metric['unit'];
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
      return {
        contestant: contestant.name,
        transport: contestant.transport,
        samples: column(rounds, index),
        median: value,
        ratio:
          baseline === undefined || contestant.isBaseline ? undefined : better(metric, value, baseline[1]),
      };
    });
    return { row: row.id, title: row.title, metric: metric.name, unit: metric.unit, measurements };
  });
}

function column(rounds: readonly (readonly number[])[], index: number): readonly number[] {
  return rounds.map((values) => values[index] ?? Number.NaN);
}

function better(metric: Metric, value: number, baseline: number): number {
  return metric.unit === 'requests/s' ? value / baseline : baseline / value;
}

const width = 24;

function cell(measurement: Measurement | undefined): string {
  if (measurement === undefined) return '-'.padStart(width);
  const { median: value, ratio } = measurement;
  const number = value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return `${number}${ratio === undefined ? '' : ` (${ratio.toFixed(2)}x)`}`.padStart(width);
}

/** A table for each transport; git daemon stands beside the HTTP servers. */
export function formatTable(lines: readonly ReportLine[], contestants: readonly Contestant[]): string {
  const groups = [
    { title: 'Over HTTP, and git daemon', transports: ['http', 'git'] },
    { title: 'Over SSH', transports: ['ssh'] },
  ];
  return groups
    .map(({ title, transports }) => {
      const members = contestants.filter(({ transport }) => transports.includes(transport));
      const header = title.padEnd(54) + members.map(({ name }) => name.padStart(width)).join('');
      const body = lines
        .filter(({ measurements }) => measurements.some(({ transport }) => transports.includes(transport)))
        .map((line) => {
          const cells = members.map((member) =>
            cell(
              line.measurements.find((m) => m.contestant === member.name && m.transport === member.transport),
            ),
          );
          return `${line.title}, ${line.metric} [${line.unit}]`.padEnd(54) + cells.join('');
        });
      return [header, '-'.repeat(header.length), ...body].join('\n');
    })
    .join('\n\n');
}
