import type { DiffFile, DiffLine } from '#git';
import { escapeHtml } from './escape.ts';

const kinds: Readonly<Record<DiffLine['origin'], { readonly sign: string; readonly row: string }>> = {
  context: { sign: ' ', row: '<tr>' },
  added: { sign: '+', row: '<tr class="added">' },
  removed: { sign: '-', row: '<tr class="removed">' },
  'no-newline': { sign: '\\ ', row: '<tr class="quiet">' },
};

function lineRow(line: DiffLine): string {
  const { sign, row } = kinds[line.origin];
  const old = line.oldLine ?? '';
  const current = line.newLine ?? '';
  return `${row}<td class="number">${old}</td><td class="number">${current}</td><td>${sign}${escapeHtml(line.text)}</td></tr>\n`;
}

/** The hunks of one file as table rows: plain strings, since a page may have tens of thousands. */
export function diffRows(file: DiffFile): string {
  return file.hunks
    .map(
      (hunk) =>
        `<tr class="hunk"><td colspan="3">${escapeHtml(hunk.header)}</td></tr>\n${hunk.lines.map(lineRow).join('')}`,
    )
    .join('');
}
