import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChecked } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';
import type { Contestant } from './contestant.ts';
import { basicAuthorization } from '#test/raw-request';

export interface MeasuredRequest {
  readonly method: 'GET' | 'POST';
  /** After the repository's URL. */
  readonly path: string;
  readonly protocol: 'version=2' | undefined;
  readonly body?: string;
  /** What a right answer contains; checked once before anything is measured. */
  readonly expected: RegExp;
}

const connections = 8;

function headersFor(url: URL, wanted: MeasuredRequest): Record<string, string> {
  return {
    ...basicAuthorization(url),
    ...(wanted.protocol !== undefined && { 'Git-Protocol': wanted.protocol }),
    ...(wanted.body !== undefined && { 'Content-Type': 'application/x-git-upload-pack-request' }),
  };
}

async function checkAnswer(contestant: Contestant, url: URL, wanted: MeasuredRequest): Promise<void> {
  const plain = new URL(url.href);
  plain.username = '';
  plain.password = '';
  const response = await fetch(plain, {
    method: wanted.method,
    headers: headersFor(url, wanted),
    ...(wanted.body !== undefined && { body: wanted.body }),
  });
  const text = await response.text();
  if (response.status !== 200 || !wanted.expected.test(text)) {
    throw new Error(
      `${contestant.name} answers ${wanted.path} with ${response.status}: ${text.slice(0, 200)}`,
    );
  }
}

/** A Lua string of any bytes. */
function lua(text: string): string {
  return `"${Array.from(Buffer.from(text), (byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
}

/**
 * Requests per second over 8 connections that are kept open, asked by wrk in a process of its own.
 * Every server first answers for as long without being measured, as one does that has run for a while.
 */
export async function requestRate(
  contestant: Contestant,
  wanted: MeasuredRequest,
  durationSeconds: number,
): Promise<number> {
  const url = new URL(`${contestant.url}${wanted.path}`);
  await checkAnswer(contestant, url, wanted);
  const script = join(temporaryDirectory('wrk'), 'request.lua');
  writeFileSync(
    script,
    `wrk.method = "${wanted.method}"
${wanted.body === undefined ? '' : `wrk.body = ${lua(wanted.body)}`}
${Object.entries(headersFor(url, wanted))
  .map(([name, value]) => `wrk.headers["${name}"] = ${lua(value)}`)
  .join('\n')}
done = function(summary)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`,
  );
  const address = `http://${url.host}${url.pathname}${url.search}`;
  const duration = `-d${durationSeconds}s`;
  const args = ['-t1', `-c${connections}`, duration, '--timeout', '30s', '-s', script, address];
  await runChecked('wrk', args);
  const said = await runChecked('wrk', args);
  const [, requests, durationUs, failed] = /RESULT (\d+) (\d+) (\d+)/.exec(said) ?? [];
  if (failed !== '0')
    throw new Error(`${contestant.name}: ${failed} of ${requests} requests for ${wanted.path} failed`);
  return Number(requests) / (Number(durationUs) / 1e6);
}
