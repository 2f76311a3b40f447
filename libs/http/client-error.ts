import type { Socket } from 'node:net';

const answers: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The request header is too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'The chunk extensions are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request header did not arrive in time.'],
};
const malformed = ['400 Bad Request', 'This is not a valid HTTP request.'] as const;

/**
 * Answers what the HTTP parser refuses, and closes the connection. With `isAnswering`, a response
 * is under way and the client would take the answer for a part of it: then it is only closed.
 */
export function answerProtocolError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  isAnswering: boolean,
): void {
  if (isAnswering || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] = answers[error.code ?? ''] ?? malformed;
  socket.write(answerText(status, message, []));
  socket.destroySoon();
}

/** Answers a connection that is one too many, whatever it is going to ask, and closes it. */
export function answerBusy(socket: Socket): void {
  socket.write(
    answerText('503 Service Unavailable', 'The server is busy. Please try again in a moment.', [
      'Retry-After: 5',
    ]),
  );
  socket.destroySoon();
}

function answerText(status: string, message: string, fields: readonly string[]): string {
  const body = `${message}\n`;
  const header = [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    ...fields,
  ];
  return `${header.join('\r\n')}\r\n\r\n${body}`;
}
