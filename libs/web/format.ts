import { html } from 'hono/html';
import type { Markup } from './layout.ts';

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Such as `1.4 MiB`. */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** A date a machine can read and a person too; the time is in its title. */
export function formatTime(timestampMs: number): Markup {
  const iso = new Date(timestampMs).toISOString();
  return html`<time datetime="${iso}" title="${iso.replace('T', ' ').slice(0, 19)} UTC"
    >${iso.slice(0, 10)}</time
  >`;
}

export function shortOid(oid: string): string {
  return oid.slice(0, 10);
}

/** `1 commit`, `2 commits`. */
export function count(amount: number, noun: string): string {
  return `${amount.toLocaleString('en')} ${noun}${amount === 1 ? '' : 's'}`;
}
