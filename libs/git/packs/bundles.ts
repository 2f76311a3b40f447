import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PackhorseError } from '#base';
import type { Ref } from '#wire';
import { repositoryPart } from '../pack-cache/pack-key.ts';
import { readRange } from '../pack-cache/read-file.ts';
import type { PublishedFile } from '../published-file.ts';
import type { Storage } from '../storage.ts';
import { type BasePack, isSamePack } from './base-pack.ts';
import type { ComposerSource } from './pack-composer.ts';

/** A bundle that was offered: enough to send the same bytes again, also after a restart. */
interface Bundle {
  readonly id: string;
  readonly header: string;
  readonly pack: BasePack;
}

/**
 * Bundles for clones that can be resumed (gitformat-bundle, git-config `bundle.*`): a header that names
 * refs, then the largest pack as it lies on disk. A bundle is a static file: its id stands for its
 * bytes. It is offered while everything in it is reachable from refs that are shown, and can be
 * read on as long as maintenance keeps the pack.
 */
export class Bundles {
  readonly #storage: Storage;
  readonly #source: ComposerSource;
  readonly #directory: string;

  constructor(storage: Storage, source: ComposerSource, directory: string) {
    this.#storage = storage;
    this.#source = source;
    this.#directory = directory;
  }

  /** The id of the bundle to begin a clone of `refs` with; undefined when there is none. */
  async offer(refs: readonly Ref[]): Promise<string | undefined> {
    const wants = [...new Set(refs.map(({ oid }) => oid))];
    const record = await this.#storage.composer?.baseFor(this.#source, wants);
    if (record === undefined) return undefined;
    const known = (await this.#all()).find(({ pack }) => isSamePack(pack, record.pack));
    if (known !== undefined) return known.id;
    // With objects elsewhere the pack alone would be no history.
    if (record.rest.length > 0) return undefined;
    const named = refs.filter(
      ({ oid, name }) => /^refs\/(?:heads|tags)\//.test(name) && record.tips.has(oid),
    );
    if (named.length === 0) return undefined;
    return await this.#keep(bundleHeader(this.#source.objectFormat, named), record.pack);
  }

  /** A bundle that was offered. Throws `not_found` when there is none or its pack is gone. */
  async open(id: string): Promise<PublishedFile> {
    const { header, pack } = (await this.#all()).find((bundle) => bundle.id === id) ?? {};
    if (header === undefined || pack === undefined) throw missing();
    const handle = await open(pack.path, 'r').catch(() => undefined);
    if (handle === undefined) throw missing();
    const { ino, size, mtimeMs } = await handle.stat();
    if (ino !== pack.stamp.inode || size !== pack.stamp.sizeBytes || mtimeMs !== pack.stamp.mtimeMs) {
      await handle.close();
      throw missing();
    }
    const head = Buffer.from(header);
    return {
      sizeBytes: head.length + size,
      modifiedAtMs: mtimeMs,
      etag: `"${id}"`,
      async *content(startByte, endByte) {
        if (startByte < head.length) yield head.subarray(startByte, Math.min(endByte, head.length));
        const start = Math.max(0, startByte - head.length);
        for await (const { bytes } of readRange(handle, start, endByte - head.length)) yield bytes;
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  }

  async #keep(header: string, pack: BasePack): Promise<string> {
    const file = await open(pack.path, 'r');
    const checksum = Buffer.alloc(20);
    try {
      await file.read(checksum, 0, 20, pack.stamp.sizeBytes - 20);
    } finally {
      await file.close();
    }
    const id = createHash('sha256').update(header).update(checksum).digest('hex');
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = join(this.#directory, `${this.#prefix}${id}`);
    const bundle: Bundle = { id, header, pack };
    await writeFile(`${path}.new`, JSON.stringify(bundle), { mode: 0o600 });
    await rename(`${path}.new`, path);
    return id;
  }

  /** Those of this repository; those whose pack is gone are forgotten. */
  async #all(): Promise<readonly Bundle[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const bundles: Bundle[] = [];
    for (const name of names) {
      if (!name.startsWith(this.#prefix) || name.endsWith('.new')) continue;
      const path = join(this.#directory, name);
      const bundle = JSON.parse(await readFile(path, 'utf8')) as Bundle;
      const stamp = await this.#storage.disk.stamp(bundle.pack.path).catch(() => undefined);
      if (stamp === undefined) await rm(path, { force: true });
      else bundles.push(bundle);
    }
    return bundles;
  }

  get #prefix(): string {
    return `${repositoryPart(this.#source.id)}.`;
  }
}

function bundleHeader(format: ComposerSource['objectFormat'], refs: readonly Ref[]): string {
  const signature = format === 'sha1' ? '# v2 git bundle\n' : `# v3 git bundle\n@object-format=${format}\n`;
  return `${signature}${refs.map(({ oid, name }) => `${oid} ${name}\n`).join('')}\n`;
}

const missing = (): PackhorseError => new PackhorseError('not_found', 'There is no such bundle (any more).');
