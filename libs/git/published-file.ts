import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ByteStream, PackhorseError, readChunks } from '#base';
import type { RefSnapshot } from '#wire';
import { type Disk, hasErrno, unlessMissing } from './volume/disk.ts';

/** A file of a repository as clients of the dumb protocol fetch it (gitprotocol-http, "Dumb Clients"). Dispose it. */
export interface PublishedFile extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Absent for what is made for the request. */
  readonly modifiedAtMs?: number;
  /** Of a file that never changes under its name: a strong validator (RFC 9110, 8.8.3). */
  readonly etag?: string;
  /** The bytes from `startByte` up to, not including, `endByte`, as fast as they are taken. */
  content(startByte: number, endByte: number, signal: AbortSignal): ByteStream;
}

/**
 * The file `name` below the repository's directory. `HEAD`, `info/refs` and `objects/info/packs`
 * are made of what the repository holds now, as git http-backend does it, whatever is on disk under
 * that name. Throws `not_found`. The caller has made sure that `name` is one of those that are published.
 */
export async function publishedFile(
  disk: Disk,
  gitDir: string,
  refs: () => Promise<RefSnapshot>,
  name: string,
): Promise<PublishedFile> {
  switch (name) {
    case 'HEAD':
      return textFile(headText(await refs()));
    case 'info/refs':
      return textFile(refsText(await refs()));
    case 'objects/info/packs':
      return textFile(await packsText(disk, `${gitDir}/objects/pack`));
    default:
      return await diskFile(`${gitDir}/${name}`);
  }
}

/** Empty while the branch is unborn (http-backend.c, get_head). */
function headText({ head }: RefSnapshot): string {
  if (head.oid === undefined) return '';
  return head.symref === undefined ? `${head.oid}\n` : `ref: ${head.symref}\n`;
}

/** Hidden refs are not left out: whoever may read any file can read every object (http-backend.c, get_info_refs). */
function refsText({ refs }: RefSnapshot): string {
  return refs
    .map(({ name, oid, peeled }) =>
      peeled === undefined ? `${oid}\t${name}\n` : `${oid}\t${name}\n${peeled}\t${name}^{}\n`,
    )
    .join('');
}

/** The repository's own packs, the youngest first (packfile.c, sort_pack). */
async function packsText(disk: Disk, directory: string): Promise<string> {
  const names = new Set(((await unlessMissing(disk.list(directory))) ?? []).map(({ name }) => name));
  const packs: { readonly name: string; readonly seconds: number }[] = [];
  for (const name of names) {
    if (!name.endsWith('.pack') || !names.has(name.replace(/pack$/, 'idx'))) continue;
    const stamp = await unlessMissing(disk.stamp(`${directory}/${name}`));
    if (stamp !== undefined) packs.push({ name, seconds: Math.floor(stamp.mtimeMs / 1000) });
  }
  packs.sort((one, other) => other.seconds - one.seconds || (one.name < other.name ? -1 : 1));
  return `${packs.map(({ name }) => `P ${name}\n`).join('')}\n`;
}

function textFile(text: string): PublishedFile {
  const bytes = Buffer.from(text);
  return {
    sizeBytes: bytes.length,
    async *content(startByte, endByte) {
      if (endByte > startByte) yield bytes.subarray(startByte, endByte);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function diskFile(path: string): Promise<PublishedFile> {
  const handle = await openFile(path);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw missing();
    return {
      sizeBytes: stats.size,
      modifiedAtMs: stats.mtimeMs,
      async *content(startByte, endByte, signal) {
        if (endByte <= startByte) return;
        yield* readChunks(
          handle.createReadStream({ start: startByte, end: endByte - 1, autoClose: false }),
          signal,
        );
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // A named pipe must not hold anybody up.
    // oxlint-disable-next-line eslint/no-bitwise -- flags of open(2)
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'ENXIO', 'EACCES')) throw missing();
    throw error;
  }
}

const missing = (): PackhorseError =>
  new PackhorseError('not_found', 'There is no such file in this repository.');
