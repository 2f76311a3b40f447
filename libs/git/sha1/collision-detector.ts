import { type AttackKind, attackKinds, type BitCondition, rotated, steps } from './disturbance-vectors.ts';

const blockBytes = 64;
const initial = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

/** The five words between two steps, or between two blocks. */
type State = Int32Array;

/** A condition, and a bit for each kind of attack that needs it. */
interface SharedCondition extends BitCondition {
  readonly kinds: number;
}

/** Those that many kinds of attack need: they rule out most kinds at once. */
const commonest: readonly SharedCondition[] = shared(attackKinds).slice(0, 32);

function shared(kinds: readonly AttackKind[]): SharedCondition[] {
  const found = new Map<string, SharedCondition>();
  for (const [index, { conditions }] of kinds.entries()) {
    for (const condition of conditions) {
      const key = Object.values(condition).join(' ');
      found.set(key, { ...condition, kinds: (found.get(key)?.kinds ?? 0) | (1 << index) });
    }
  }
  const needed = ({ kinds: mask }: SharedCondition): number =>
    (mask >>> 0).toString(2).replaceAll('0', '').length;
  return [...found.values()].sort((one, other) => needed(other) - needed(one));
}

/**
 * Finds out whether a message is one of two that were made to have the same SHA-1, from this one
 * alone (counter-cryptanalysis, M. Stevens 2013): for each block and each known kind of attack the
 * other block is computed, and both then end alike only if somebody saw to that. What an attack of
 * that kind cannot do without rules nearly all of them out before (see `disturbance-vectors.ts`).
 */
export class CollisionDetector {
  readonly #words = new Int32Array(steps);
  readonly #state: State = Int32Array.from(initial);
  readonly #before: State = new Int32Array(initial.length);
  readonly #block = Buffer.alloc(blockBytes);
  #filled = 0;
  #lengthBytes = 0;
  #found: string | undefined;

  /** Takes the next bytes of the message. */
  update(bytes: Uint8Array): this {
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#lengthBytes += input.length;
    let at = 0;
    if (this.#filled > 0) {
      at = input.copy(this.#block, this.#filled);
      this.#filled += at;
      if (this.#filled < blockBytes) return this;
      this.#take(this.#block, 0);
    }
    for (; at + blockBytes <= input.length; at += blockBytes) this.#take(input, at);
    this.#filled = input.copy(this.#block, 0, at);
    return this;
  }

  /** The kind of attack that the message is part of, at its end; undefined when it is of none that is known. */
  finish(): string | undefined {
    const lengthBytes = this.#lengthBytes;
    const padding = Buffer.alloc(((2 * blockBytes - 9 - (lengthBytes % blockBytes)) % blockBytes) + 9);
    padding[0] = 0x80;
    padding.writeBigUInt64BE(BigInt(lengthBytes) * 8n, padding.length - 8);
    this.update(padding);
    return this.#found;
  }

  /** The SHA-1 of the message, after `finish`. */
  get digest(): Buffer {
    const bytes = Buffer.alloc(20);
    this.#state.forEach((word, index) => bytes.writeInt32BE(word, 4 * index));
    return bytes;
  }

  #take(input: Buffer, at: number): void {
    const words = this.#words;
    expand(input, at, words);
    const [before, after] = [this.#before, this.#state];
    before.set(after);
    advance(after, words, 0, steps);
    add(after, before);
    let suspects = possibleKinds(words);
    while (suspects !== 0 && this.#found === undefined) {
      const index = 31 - Math.clz32(suspects);
      suspects &= ~(1 << index);
      const kind = attackKinds[index];
      if (kind !== undefined && endsAlike(kind, words, before, after)) this.#found = kind.name;
    }
  }
}

/** The kinds of attack, a bit for each, whose conditions all hold. */
function possibleKinds(words: Int32Array): number {
  let possible = -1;
  for (const condition of commonest) {
    if ((possible & condition.kinds) !== 0 && !holds(condition, words)) possible &= ~condition.kinds;
  }
  for (let left = possible; left !== 0; left &= left - 1) {
    const index = 31 - Math.clz32(left & -left);
    if (!(attackKinds[index]?.conditions.every((condition) => holds(condition, words)) ?? false))
      possible &= ~(1 << index);
  }
  return possible;
}

function holds({ step, bit, otherStep, otherBit, differ }: BitCondition, words: Int32Array): boolean {
  return (((wordAt(words, step) >>> bit) ^ (wordAt(words, otherStep) >>> otherBit)) & 1) === (differ ? 1 : 0);
}

/** Whether the other block of an attack of this kind leads, from the state that it needs before it, to the same one behind it. */
function endsAlike(
  { sameStateAt, wordDifferences }: AttackKind,
  words: Int32Array,
  before: State,
  after: State,
): boolean {
  const state = before.slice();
  advance(state, words, 0, sameStateAt);
  const others = words.map((word, step) => word ^ (wordDifferences[step] ?? 0));
  const start = state.slice();
  retreat(start, others, sameStateAt);
  advance(state, others, sameStateAt, steps);
  add(state, start);
  return state.every((word, index) => word === after[index]);
}

/** The message expansion of SHA-1 (FIPS 180-4, 6.1.2). */
function expand(input: Buffer, at: number, words: Int32Array): void {
  for (let step = 0; step < 16; step += 1) words[step] = input.readInt32BE(at + 4 * step);
  for (let step = 16; step < steps; step += 1) {
    const word =
      wordAt(words, step - 3) ^ wordAt(words, step - 8) ^ wordAt(words, step - 14) ^ wordAt(words, step - 16);
    words[step] = (word << 1) | (word >>> 31);
  }
}

function wordAt(words: Int32Array, index: number): number {
  return words[index] ?? 0;
}

/** What a step adds to its sum besides `a`, `e` and the word of the message (FIPS 180-4, 4.1.1 and 4.2.1). */
function mixed(step: number, b: number, c: number, d: number): number {
  if (step < 20) return (((b & c) | (~b & d)) + 0x5a827999) | 0;
  if (step < 40) return ((b ^ c ^ d) + 0x6ed9eba1) | 0;
  if (step < 60) return (((b & c) | (d & (b | c))) - 0x70e44324) | 0;
  return ((b ^ c ^ d) - 0x359d3e2a) | 0;
}

/** The steps of SHA-1 from `from` up to before `to`. */
function advance(state: State, words: Int32Array, from: number, to: number): void {
  let a = wordAt(state, 0);
  let b = wordAt(state, 1);
  let c = wordAt(state, 2);
  let d = wordAt(state, 3);
  let e = wordAt(state, 4);
  for (let step = from; step < to; step += 1) {
    const sum =
      (((((a << 5) | (a >>> 27)) + e) | 0) + ((mixed(step, b, c, d) + wordAt(words, step)) | 0)) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = sum;
  }
  set(state, a, b, c, d, e);
}

/** Undoes the steps before `from`, back to the first one. */
function retreat(state: State, words: Int32Array, from: number): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
  for (let step = from - 1; step >= 0; step -= 1) {
    const sum = a;
    a = b;
    b = rotated(c, 2);
    c = d;
    d = e;
    e = (sum - rotated(a, 5) - mixed(step, b, c, d) - (words[step] ?? 0)) | 0;
  }
  set(state, a, b, c, d, e);
}

function set(state: State, a: number, b: number, c: number, d: number, e: number): void {
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
  state[4] = e;
}

function add(state: State, other: State): void {
  for (let index = 0; index < state.length; index += 1)
    state[index] = (state[index] ?? 0) + (other[index] ?? 0);
}
