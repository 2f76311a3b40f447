import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, randomId } from '#base';
import { repositoryPart } from '../pack-cache/pack-key.ts';
import type { BasePack } from './base-pack.ts';
import type { BaseRecord } from './base-record.ts';

/** Repositories whose base pack is known; past it the longest unused is forgotten. */
const maxRecords = 4096;
/** A record of more tips and other objects is not kept on disk: to find it out again costs little beside what it is for. */
const maxKeptLines = 50_000;

/** As a file has it. */
interface KeptRecord {
  readonly pack: BasePack;
  readonly count: number;
  readonly tips: readonly string[];
  readonly rest: readonly string[];
}

/**
 * What is known of the base packs of a node's repositories, one for each; kept in a directory as well, one
 * file for each, because to examine a pack takes longer than to begin to send it. A file is good as long as
 * its pack is the same, which whoever asks has to compare. A file that is lost or damaged is made again.
 */
export class BaseRecords {
  readonly #directory: string;
  readonly #random: Random;
  readonly #known = new Map<string, BaseRecord>();
  /** Looked for on disk. */
  readonly #missed = new Set<string>();

  constructor(directory: string, random: Random) {
    this.#directory = directory;
    this.#random = random;
  }

  async get(repositoryId: string): Promise<BaseRecord | undefined> {
    const known = this.#known.get(repositoryId);
    if (known !== undefined || this.#missed.has(repositoryId)) return known;
    const kept = await this.#read(repositoryId);
    if (kept === undefined) this.#missed.add(repositoryId);
    else this.#remember(repositoryId, kept);
    if (this.#missed.size > maxRecords) this.#missed.clear();
    return kept;
  }

  /** Never rejects: what cannot be kept is found out again after a restart. */
  async put(repositoryId: string, record: BaseRecord): Promise<void> {
    this.#remember(repositoryId, record);
    try {
      await this.#keep(repositoryId, record);
    } catch {
      await this.#remove(repositoryId);
    }
  }

  /** For a repository that is gone. */
  async forget(repositoryId: string): Promise<void> {
    this.#known.delete(repositoryId);
    await this.#remove(repositoryId);
  }

  #remember(repositoryId: string, record: BaseRecord): void {
    this.#known.delete(repositoryId);
    this.#known.set(repositoryId, record);
    const [oldest] = this.#known.keys();
    if (this.#known.size > maxRecords && oldest !== undefined) this.#known.delete(oldest);
  }

  async #read(repositoryId: string): Promise<BaseRecord | undefined> {
    try {
      const kept = JSON.parse(await readFile(this.#path(repositoryId), 'utf8')) as KeptRecord;
      return { ...kept, tips: new Set(kept.tips) };
    } catch {
      return undefined;
    }
  }

  async #keep(repositoryId: string, record: BaseRecord): Promise<void> {
    if (record.tips.size + record.rest.length > maxKeptLines) return await this.#remove(repositoryId);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#directory);
    const [other] = names;
    // Repositories that went while no server ran.
    if (names.length > maxRecords && other !== undefined)
      await rm(join(this.#directory, other), { force: true });
    const kept: KeptRecord = { ...record, tips: [...record.tips] };
    const path = this.#path(repositoryId);
    const growing = `${path}.${randomId(this.#random)}`;
    await writeFile(growing, JSON.stringify(kept), { mode: 0o600 });
    await rename(growing, path);
  }

  async #remove(repositoryId: string): Promise<void> {
    await rm(this.#path(repositoryId), { force: true }).catch(() => undefined);
  }

  #path(repositoryId: string): string {
    return join(this.#directory, repositoryPart(repositoryId));
  }
}
