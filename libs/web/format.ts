import { html } from 'hono/html';
import type { Markup } from './layout.ts';

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Such as `1.4 MiB`. */
export function formatSize(sizeBytes: number): string {
  if (sizeBytes === 1) return '1 byte';
  let value = sizeBytes;
  let unit = 0;
  // What rounds up to the next unit belongs there.
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** A date a machine can read and a person too; the time is in its title. */
export function formatTime(timestampMs: number): Markup {
  const iso = new Date(timestampMs).toISOString();
  const [date = '', time = ''] = iso.split('T');
  return html`<time datetime="${iso}" title="${date} ${time.slice(0, 8)} UTC">${date}</time>`;
}

export function shortOid(oid: string): string {
  return oid.slice(0, 10);
}

/** `1 commit`, `2 commits`. */
export function count(amount: number, noun: string): string {
  return `${amount.toLocaleString('en')} ${noun}${amount === 1 ? '' : 's'}`;
}

/** A query parameter that counts: a whole number of 0 or more, else 0. */
export function offset(parameter: string | undefined): number {
  return parameter !== undefined && /^\d{1,9}$/.test(parameter) ? Number(parameter) : 0;
}
