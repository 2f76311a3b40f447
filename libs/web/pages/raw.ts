import { Readable } from 'node:stream';
import { PackhorseError } from '#base';
import { isKnown } from '../http-cache.ts';
import { resolvePlace } from '../revision.ts';
import type { RepositoryView } from '../view.ts';

const imageTypes: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  ico: 'image/x-icon',
  svg: 'image/svg+xml',
};

/** The media type of an image, by its name; undefined for what is none. */
export function imageType(path: string): string | undefined {
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(imageTypes, extension) ? imageTypes[extension] : undefined;
}

/** What is reached by a commit's own id stays as it is. */
function cacheControl(isPermanent: boolean): string {
  return isPermanent ? 'private, max-age=31536000, immutable' : 'private, no-cache';
}

/**
 * The bytes of a file, such that they cannot act in our origin: text is always text/plain, only
 * images keep their type, everything is sandboxed and the rest is a download.
 */
export async function sendRaw(view: RepositoryView, address: string): Promise<Response> {
  const { agent, context } = view;
  const { revision, path } = await agent.transaction((reader) => resolvePlace(reader, address));
  const entry = await agent.entry(revision.commitOid, path);
  if (entry === undefined || entry.kind === 'tree' || entry.kind === 'submodule') {
    throw new PackhorseError('not_found', 'There is no file at this path.');
  }
  const fields = await agent.blob(entry.oid);
  const image = imageType(path);
  const tag = `"${entry.oid}"`;
  const headers = new Headers({
    etag: tag,
    'cache-control': cacheControl(revision.address === revision.commitOid),
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'x-content-type-options': 'nosniff',
  });
  if (isKnown(context.req.header('if-none-match'), tag)) return new Response(null, { status: 304, headers });
  headers.set(
    'content-type',
    image ?? (fields.binary ? 'application/octet-stream' : 'text/plain; charset=utf-8'),
  );
  headers.set('content-length', String(fields.sizeBytes));
  if (image === undefined && fields.binary) {
    headers.set('content-disposition', `attachment; filename*=UTF-8''${attachmentName(entry.name)}`);
  }
  if (context.req.method === 'HEAD') return new Response(null, { headers });
  return new Response(Readable.toWeb(Readable.from(agent.blobContent(entry.oid))) as ReadableStream, {
    headers,
  });
}

/** `ext-value` of RFC 8187, 3.2.1: fewer characters stand for themselves there than in addresses. */
function attachmentName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
}
