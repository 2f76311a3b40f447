import type { OutgoingHttpHeaders } from 'node:http';
import { orAbort, type Settings } from '#base';
import type { FileGateway } from '#gateway';
import type { PublishedFile } from '#git';
import { noCacheHeaders, sendError, sendText } from './answers.ts';
import { parseRange, type ByteRange } from './byte-range.ts';
import type { Exchange } from './exchange.ts';
import type { GitTarget } from './git-target.ts';

type Caching = 'never' | 'forever' | 'private' | 'unsaid';
type FileTarget = Extract<GitTarget, { kind: 'file' }>;

/** Media types by name (http-backend.c); what is named after its content stays as it is forever. */
const kinds: readonly (readonly [name: RegExp, mediaType: string, caching: Caching])[] = [
  [/^HEAD$/, 'text/plain', 'unsaid'],
  [/^objects\/info\/packs$/, 'text/plain; charset=utf-8', 'never'],
  [/^objects\/[0-9a-f]{2}\//, 'application/x-git-loose-object', 'forever'],
  [/\.bundle$/, 'application/x-git-bundle', 'private'],
  [/\.pack$/, 'application/x-git-packed-objects', 'forever'],
  [/\.idx$/, 'application/x-git-packed-objects-toc', 'forever'],
];
const yearSeconds = 31_536_000;

/** Answers one request of the dumb protocol (gitprotocol-http, "Dumb Clients"); never rejects. */
export async function serveFile(
  exchange: Exchange,
  { path, name }: FileTarget,
  files: FileGateway,
  { lingerTimeoutMs }: Settings['http'],
): Promise<void> {
  try {
    const { remoteAddress } = exchange;
    await using file = await files.openFile({ path, name, remoteAddress });
    exchange.continue();
    await sendFile(exchange, name, file, lingerTimeoutMs);
  } catch (thrown) {
    await sendError(exchange, thrown, lingerTimeoutMs).catch(() => exchange.response.destroy());
  }
}

/** Answers with the file or the range of it that is asked for (RFC 9110, 14), and ends the response. */
export async function sendFile(
  exchange: Exchange,
  name: string,
  file: PublishedFile,
  lingerMs: number,
): Promise<void> {
  const { request } = exchange;
  const { sizeBytes, etag } = file;
  if (etag !== undefined && request.headers['if-none-match'] === etag) {
    exchange.writeHead(304, headersOf(name, file));
    return exchange.end(lingerMs);
  }
  const condition = request.headers['if-range'];
  // Without a strong validator nothing says which state of the file a condition is about: the whole file is sent.
  const range =
    condition !== undefined && condition !== etag ? 'whole' : parseRange(request.headers.range, sizeBytes);
  if (range === 'unsatisfiable') {
    const headers = { 'Content-Range': `bytes */${sizeBytes}` };
    return sendText(
      exchange,
      { status: 416, message: 'The file ends before this range.', headers },
      lingerMs,
    );
  }
  const part = range === 'whole' ? { startByte: 0, endByte: sizeBytes } : range;
  exchange.writeHead(range === 'whole' ? 200 : 206, {
    ...headersOf(name, file),
    'Content-Length': part.endByte - part.startByte,
    ...(range !== 'whole' && { 'Content-Range': `bytes ${part.startByte}-${part.endByte - 1}/${sizeBytes}` }),
  });
  if (request.method !== 'HEAD') await sendContent(exchange, file, part);
  await exchange.end(lingerMs);
}

function headersOf(name: string, { modifiedAtMs, etag }: PublishedFile): OutgoingHttpHeaders {
  const [, mediaType = 'text/plain', caching = 'never'] = kinds.find(([kind]) => kind.test(name)) ?? [];
  return {
    ...cachingHeaders(caching),
    'Content-Type': mediaType,
    ...(etag !== undefined && { ETag: etag, 'Accept-Ranges': 'bytes' }),
    ...(modifiedAtMs !== undefined && { 'Last-Modified': new Date(modifiedAtMs).toUTCString() }),
  };
}

function cachingHeaders(caching: Caching): OutgoingHttpHeaders {
  if (caching === 'unsaid') return {};
  if (caching === 'never') return noCacheHeaders;
  // Whether somebody may have it is asked each time.
  if (caching === 'private') return { 'Cache-Control': 'private, no-cache' };
  return {
    Expires: new Date(Date.now() + yearSeconds * 1000).toUTCString(),
    'Cache-Control': `public, max-age=${yearSeconds}`,
  };
}

async function sendContent(exchange: Exchange, file: PublishedFile, part: ByteRange): Promise<void> {
  const { response, signal } = exchange;
  let sentBytes = 0;
  for await (const chunk of file.content(part.startByte, part.endByte, signal)) {
    sentBytes += chunk.length;
    await orAbort(signal, (done) => {
      // An error closes the response, which aborts the signal.
      if (response.write(chunk, () => done())) done();
    });
  }
  // A file that became shorter meanwhile must not look complete.
  if (sentBytes < part.endByte - part.startByte) exchange.breakOff();
}
