import { type FileHandle, open } from 'node:fs/promises';
import type { ObjectFormat } from '#base';
import { readAt } from '../read-at.ts';
import type { Storage } from '../storage.ts';
import { hasErrno, unlessMissing } from '../volume/disk.ts';
import { areUnchanged, type SeenPath } from '../volume/seen-file.ts';
import { CommitGraph } from './commit-graph.ts';
import {
  decodeGraphHead,
  type GraphChunkId,
  graphChunkIds,
  graphHeadBytes,
  GraphLayer,
} from './graph-layer.ts';

interface Remembered {
  readonly graph: CommitGraph | undefined;
  /** The files that decide what it is. */
  readonly files: readonly SeenPath[];
}

type GraphStorage = Pick<Storage, 'disk' | 'clock' | 'log' | 'settings'>;

/** A chain of more layers than this is not read. */
const maxLayers = 64;
const maxChainBytes = maxLayers * 65;

/**
 * The commit-graph of one repository, kept in memory and read again when its files changed. There
 * is none where git would not use it (grafts and shallow repositories), where it is damaged, and
 * where it is larger than the memory for it: then objects have to be read.
 */
export class GraphReader {
  readonly #storage: GraphStorage;
  readonly #gitDir: string;
  readonly #format: ObjectFormat;
  #remembered: Remembered | undefined;
  #reading: Promise<CommitGraph | undefined> | undefined;
  /** Layers of a chain never change, so those that stay are not read again. */
  #layers: ReadonlyMap<string, GraphLayer> = new Map();

  constructor(storage: GraphStorage, gitDir: string, format: ObjectFormat) {
    this.#storage = storage;
    this.#gitDir = gitDir;
    this.#format = format;
  }

  /** The graph as it is on disk now. */
  async current(): Promise<CommitGraph | undefined> {
    this.#reading ??= this.#refresh().finally(() => {
      this.#reading = undefined;
    });
    return await this.#reading;
  }

  /** Gives its memory back; the next question reads the graph again. */
  forget(): void {
    this.#remembered = undefined;
    this.#layers = new Map();
  }

  async #refresh(): Promise<CommitGraph | undefined> {
    const { disk, clock } = this.#storage;
    if (this.#remembered !== undefined && (await areUnchanged(disk, this.#remembered.files))) {
      return this.#remembered.graph;
    }
    const readAtMs = clock.nowMs();
    const info = `${this.#gitDir}/objects/info`;
    const paths = [
      `${info}/commit-graph`,
      `${info}/commit-graphs/commit-graph-chain`,
      `${this.#gitDir}/shallow`,
      `${this.#gitDir}/info/grafts`,
    ];
    const stamps = paths.map((path) => disk.stampNow(path));
    const [single, chain, shallow, grafts] = stamps;
    const isIgnored = (shallow?.sizeBytes ?? 0) > 0 || (grafts?.sizeBytes ?? 0) > 0;
    const graph = isIgnored ? undefined : await this.#read(info, single !== undefined, chain !== undefined);
    const files = paths.map((path, index) => ({ path, seen: { stamp: stamps[index], readAtMs } }));
    this.#remembered = { graph, files };
    return graph;
  }

  /** As git does: the single file first, else the chain. */
  async #read(info: string, hasSingle: boolean, hasChain: boolean): Promise<CommitGraph | undefined> {
    try {
      if (hasSingle) {
        const layer = await this.#layer(`${info}/commit-graph`, 0, this.#budgetBytes);
        if (layer !== undefined) {
          this.#layers = new Map();
          return new CommitGraph([layer]);
        }
      }
      return hasChain ? await this.#readChain(`${info}/commit-graphs`) : undefined;
    } catch (error) {
      this.#storage.log.warn('A commit-graph is not used.', { error, gitDir: this.#gitDir });
      return undefined;
    }
  }

  get #budgetBytes(): number {
    return this.#storage.settings.commitGraphBytes;
  }

  async #readChain(directory: string): Promise<CommitGraph | undefined> {
    const text = await readStart(`${directory}/commit-graph-chain`, maxChainBytes);
    const names =
      text
        ?.toString('latin1')
        .split('\n')
        .filter((line) => line !== '') ?? [];
    if (
      names.length === 0 ||
      names.length > maxLayers ||
      !names.every((name) => /^[0-9a-f]{40,64}$/.test(name))
    ) {
      return undefined;
    }
    const layers = new Map<string, GraphLayer>();
    let leftBytes = this.#budgetBytes;
    for (const name of names) {
      const path = `${directory}/graph-${name}.graph`;
      const layer = this.#layers.get(name) ?? (await this.#layer(path, layers.size, leftBytes));
      // Without one of its layers the positions in the ones above mean nothing.
      if (layer === undefined) return undefined;
      leftBytes -= layer.sizeBytes;
      layers.set(name, layer);
    }
    this.#layers = layers;
    return new CommitGraph([...layers.values()]);
  }

  /** undefined when the file is not there, does not fit there, or is larger than `maxBytes` in memory. */
  async #layer(path: string, below: number, maxBytes: number): Promise<GraphLayer | undefined> {
    let file: FileHandle;
    try {
      file = await open(path);
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
    try {
      const { size } = await file.stat();
      const head = decodeGraphHead(await readAt(file, 0, Math.min(size, graphHeadBytes)), size, this.#format);
      if (head.baseLayers !== below) return undefined;
      const wanted = graphChunkIds.flatMap((id) => {
        const chunk = head.chunks.get(id);
        return chunk === undefined ? [] : [{ id, ...chunk }];
      });
      const neededBytes = wanted.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      if (neededBytes > maxBytes) return undefined;
      const chunks = new Map<GraphChunkId, Buffer>();
      for (const { id, offset, lengthBytes } of wanted)
        chunks.set(id, await readAt(file, offset, lengthBytes));
      return new GraphLayer(chunks, this.#format);
    } finally {
      await file.close();
    }
  }
}

async function readStart(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const file = await unlessMissing(open(path));
  if (file === undefined) return undefined;
  try {
    return await readAt(file, 0, maxBytes);
  } finally {
    await file.close();
  }
}
