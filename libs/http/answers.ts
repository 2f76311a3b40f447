import { toPackhorseError, type PackhorseError } from '#base';
import { httpStatuses } from '#gateway';
import type { Exchange } from './exchange.ts';

const retryAfterSeconds = '5';

/** Answers of Git never come from a cache (http-backend.c, hdr_nocache). */
export const noCacheHeaders = {
  Expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  Pragma: 'no-cache',
  'Cache-Control': 'no-cache, max-age=0, must-revalidate',
} as const;

export interface TextAnswer {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How an error is told over HTTP. */
export function answerOf(error: PackhorseError, requestId: string): TextAnswer {
  const status = httpStatuses[error.code];
  const isOurs = status === 500;
  return {
    status,
    message: isOurs
      ? `${error.message} Please quote request ${requestId} when you report it.`
      : error.message,
    headers: {
      ...(status === 401 && { 'WWW-Authenticate': 'Basic realm="Packhorse", charset="UTF-8"' }),
      ...((status === 503 || status === 429) && { 'Retry-After': retryAfterSeconds }),
    },
  };
}

/**
 * Answers with one sentence of plain text, which git shows as `remote: ...`. A request body that
 * nobody wants is not waited for: the connection is closed after the answer.
 */
export async function sendText(exchange: Exchange, answer: TextAnswer, lingerMs: number): Promise<void> {
  const { request, response } = exchange;
  const body = Buffer.from(`${answer.message}\n`);
  exchange.writeHead(answer.status, {
    ...noCacheHeaders,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
    ...(exchange.isReceiving && { Connection: 'close' }),
    ...answer.headers,
  });
  if (request.method !== 'HEAD') response.write(body);
  await exchange.end(lingerMs);
}

/** Tells `thrown` to the client: in words while nothing is sent, else by breaking the connection off. */
export async function sendError(exchange: Exchange, thrown: unknown, lingerMs: number): Promise<void> {
  const error = toPackhorseError(thrown);
  exchange.failure = error;
  if (exchange.isAborted && error.code === 'cancelled') return;
  if (exchange.response.headersSent) exchange.breakOff();
  else await sendText(exchange, answerOf(error, exchange.id), lingerMs);
}
