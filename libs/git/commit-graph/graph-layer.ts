import { type ObjectFormat, type Oid, PackhorseError } from '#base';

/** One commit as a graph has it. Positions count through all layers of a graph, the lowest layer first. */
export interface GraphEntry {
  readonly oid: Oid;
  readonly parentPositions: readonly number[];
  readonly committerTimeSeconds: number;
  /** Generation number version 1: one more than the highest of its parents; undefined where it was not computed. */
  readonly level: number | undefined;
  /** Generation number version 2: not before any ancestor's, and later than any parent's; undefined where it was not computed. */
  readonly correctedTimeSeconds: number | undefined;
}

/** A part of a graph file: where it is, and how long. */
export interface GraphChunk {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** The head of a graph file: everything that says where things are. */
export interface GraphHead {
  readonly baseLayers: number;
  readonly chunks: ReadonlyMap<string, GraphChunk>;
}

const signature = 0x43475048;
const headerBytes = 8;
const entryBytes = 12;
const hashNumbers = { sha1: 1, sha256: 2 } as const;
const hashLengths = { sha1: 20, sha256: 32 } as const;
const fanoutBytes = 256 * 4;

/** Bytes from the start of a graph file that hold all of its head. */
export const graphHeadBytes = headerBytes + 256 * entryBytes;

const noParent = 0x70000000;
const highBit = 0x80000000;
/** The highest level that the format can hold stands for all beyond it. */
const maxLevel = 0x3fffffff;
/** A merge of more parents than this is taken for damage. */
const maxParents = 65_536;

/**
 * Reads the head of a graph file (gitformat-commit-graph) from its first `graphHeadBytes`, or all
 * of a shorter file. Throws `data_loss` for anything that is not a sound version 1 file.
 */
export function decodeGraphHead(bytes: Buffer, fileBytes: number, format: ObjectFormat): GraphHead {
  if (bytes.length < headerBytes + entryBytes) throw damaged('it is too short');
  if (bytes.readUInt32BE(0) !== signature || bytes[4] !== 1) throw damaged('it is of another kind');
  if (bytes[5] !== hashNumbers[format]) throw damaged('it is of another hash');
  const count = bytes[6] ?? 0;
  if (bytes.length < headerBytes + (count + 1) * entryBytes) throw damaged('its table of contents is cut');
  const chunks = new Map<string, GraphChunk>();
  for (let index = 0; index < count; index += 1) {
    const at = headerBytes + index * entryBytes;
    const id = bytes.toString('latin1', at, at + 4);
    const offset = Number(bytes.readBigUInt64BE(at + 4));
    const end = Number(bytes.readBigUInt64BE(at + entryBytes + 4));
    if (offset > end || end > fileBytes || chunks.has(id)) throw damaged('its table of contents is wrong');
    chunks.set(id, { offset, lengthBytes: end - offset });
  }
  return { baseLayers: bytes[7] ?? 0, chunks };
}

/** The chunks that are read; the others, such as path filters, are git's business. */
export const graphChunkIds = ['OIDF', 'OIDL', 'CDAT', 'GDA2', 'GDO2', 'EDGE'] as const;

export type GraphChunkId = (typeof graphChunkIds)[number];

/**
 * One layer of a graph, decoded where it is asked: sorted ids, and for each its parents, times and
 * generation numbers. Pure: it gets the bytes of its chunks.
 */
export class GraphLayer {
  readonly commits: number;
  readonly hasCorrectedTimes: boolean;
  readonly #hashBytes: number;
  readonly #fanout: Buffer;
  readonly #ids: Buffer;
  readonly #data: Buffer;
  readonly #offsets: Buffer | undefined;
  readonly #largeOffsets: Buffer | undefined;
  readonly #edges: Buffer | undefined;

  /** Throws `data_loss` when the chunks do not belong together. */
  constructor(chunks: ReadonlyMap<GraphChunkId, Buffer>, format: ObjectFormat) {
    const [fanout, ids, data] = [chunks.get('OIDF'), chunks.get('OIDL'), chunks.get('CDAT')];
    if (fanout?.length !== fanoutBytes || ids === undefined || data === undefined) {
      throw damaged('a part of it is missing');
    }
    const hashBytes = hashLengths[format];
    const commits = fanout.readUInt32BE(fanoutBytes - 4);
    for (let before = 0, at = 0; at < fanoutBytes; at += 4) {
      const next = fanout.readUInt32BE(at);
      if (next < before) throw damaged('its counts are not in order');
      before = next;
    }
    if (ids.length !== commits * hashBytes || data.length !== commits * (hashBytes + 16)) {
      throw damaged('its parts differ in length');
    }
    const offsets = chunks.get('GDA2');
    if (offsets !== undefined && offsets.length !== commits * 4) throw damaged('its parts differ in length');
    this.commits = commits;
    this.hasCorrectedTimes = offsets !== undefined;
    this.#hashBytes = hashBytes;
    this.#fanout = fanout;
    this.#ids = ids;
    this.#data = data;
    this.#offsets = offsets;
    this.#largeOffsets = chunks.get('GDO2');
    this.#edges = chunks.get('EDGE');
  }

  /** The memory that it holds. */
  get sizeBytes(): number {
    const parts = [this.#fanout, this.#ids, this.#data, this.#offsets, this.#largeOffsets, this.#edges];
    return parts.reduce((sum, part) => sum + (part?.length ?? 0), 0);
  }

  /** Where `id` is in this layer; undefined when it is not. */
  find(id: Buffer): number | undefined {
    const bucket = id[0] ?? 0;
    let low = bucket === 0 ? 0 : this.#fanout.readUInt32BE((bucket - 1) * 4);
    let high = this.#fanout.readUInt32BE(bucket * 4);
    const width = this.#hashBytes;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#ids.compare(id, 0, width, middle * width, (middle + 1) * width);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** The id at `index`, which must be below `commits`. */
  oidAt(index: number): Oid {
    return this.#ids.toString('hex', index * this.#hashBytes, (index + 1) * this.#hashBytes);
  }

  /** Throws `data_loss` for parents that cannot be. */
  entry(index: number): GraphEntry {
    const at = index * (this.#hashBytes + 16) + this.#hashBytes;
    const packed = this.#data.readUInt32BE(at + 8);
    const committerTimeSeconds = (packed & 3) * 2 ** 32 + this.#data.readUInt32BE(at + 12);
    const level = packed >>> 2;
    return {
      oid: this.oidAt(index),
      parentPositions: this.#parents(this.#data.readUInt32BE(at), this.#data.readUInt32BE(at + 4)),
      committerTimeSeconds,
      level: level === 0 || level === maxLevel ? undefined : level,
      correctedTimeSeconds: this.#corrected(index, committerTimeSeconds),
    };
  }

  #corrected(index: number, committerTimeSeconds: number): number | undefined {
    if (this.#offsets === undefined) return undefined;
    const offset = this.#offsets.readUInt32BE(index * 4);
    if (offset < highBit) return committerTimeSeconds + offset;
    const at = (offset - highBit) * 8;
    if (this.#largeOffsets === undefined || at + 8 > this.#largeOffsets.length) return undefined;
    return committerTimeSeconds + Number(this.#largeOffsets.readBigUInt64BE(at));
  }

  #parents(first: number, second: number): readonly number[] {
    if (first === noParent) return [];
    if (second === noParent) return [first];
    if (second < highBit) return [first, second];
    const parents = [first];
    for (let at = (second - highBit) * 4; ; at += 4) {
      if (this.#edges === undefined || at + 4 > this.#edges.length || parents.length > maxParents) {
        throw damaged('the parents of a merge are missing');
      }
      const edge = this.#edges.readUInt32BE(at);
      parents.push(edge >= highBit ? edge - highBit : edge);
      if (edge >= highBit) return parents;
    }
  }
}

function damaged(flaw: string): PackhorseError {
  return new PackhorseError('data_loss', 'The commit-graph is damaged.', { metadata: { flaw } });
}
