import { print, printable, say } from './terminal.ts';

/** Prints rows under their headings, in columns; `none` goes to standard error when there are no rows. */
export function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  none: string,
): void {
  if (rows.length === 0) {
    say(none);
    return;
  }
  for (const line of align([headings, ...rows.map((row) => row.map(printable))])) print(line);
}

/** Prints names and values, one pair per line. */
export function printFields(fields: readonly (readonly [string, string])[]): void {
  for (const line of align(fields.map(([name, value]) => [name, printable(value)]))) print(line);
}

const graphemes = new Intl.Segmenter();

/** Characters as people count them. */
function width(text: string): number {
  return Array.from(graphemes.segment(text)).length;
}

function align(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_heading, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? ''))),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd(),
  );
}

/** Such as `318.2 MB`, in powers of 1000 as disks are sold. */
export function formatSize(sizeBytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = sizeBytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(sizeBytes) / 3));
  return `${power === 0 ? sizeBytes : (sizeBytes / 1000 ** power).toFixed(1)} ${units[power] ?? ''}`;
}

/** Such as `2030-12-31 23:59`, in UTC; `never` for none. */
export function formatTime(time: string | null): string {
  return time === null ? 'never' : time.slice(0, 16).replace('T', ' ');
}
