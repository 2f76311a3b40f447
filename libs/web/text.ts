import { isUtf8 } from 'node:buffer';

/** A file as text, and what about it does not show. */
export interface FileText {
  readonly text: string;
  readonly encoding: 'UTF-8' | 'Windows-1252';
  readonly lineEnding: 'LF' | 'CRLF' | 'mixed' | 'none';
  readonly endsWithNewline: boolean;
  /** Characters that change the direction of text can make code read otherwise than it runs (CVE-2021-42574). */
  readonly hasBidiControls: boolean;
}

const utf8 = new TextDecoder();
const windows1252 = new TextDecoder('windows-1252');

/** Decodes a file: UTF-8 where it is that, else Windows-1252, in which every byte means something. Carriage returns at line ends go. */
export function fileText(bytes: Uint8Array): FileText {
  const encoding = isUtf8(bytes) ? 'UTF-8' : 'Windows-1252';
  const decoded = (encoding === 'UTF-8' ? utf8 : windows1252).decode(bytes);
  const newlines = countOf(decoded, '\n');
  const pairs = countOf(decoded, '\r\n');
  return {
    text: decoded.replaceAll('\r\n', '\n'),
    encoding,
    lineEnding: newlines === 0 ? 'none' : pairs === 0 ? 'LF' : pairs === newlines ? 'CRLF' : 'mixed',
    endsWithNewline: decoded.endsWith('\n'),
    hasBidiControls: /[\u202A-\u202E\u2066-\u2069]/.test(decoded),
  };
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
