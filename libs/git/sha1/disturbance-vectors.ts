/**
 * What the known kinds of attack on SHA-1 look like in a message block, computed from the
 * definitions in M. Stevens and D. Shumow, "Speeding up detection of SHA-1 collision attacks using
 * unavoidable attack conditions" (USENIX Security 2017), and S. Manuel, "Classification and
 * generation of disturbance vectors for collision attacks against SHA-1" (2011).
 */
import { SignTies } from './sign-ties.ts';

export const steps = 80;

/** A kind of attack: which bits it disturbs in each step, and how the words of its two blocks then differ. */
export interface AttackKind {
  /** As in the literature: `II(52,0)`. */
  readonly name: string;
  /** Differences of the expanded message, by step. */
  readonly wordDifferences: Int32Array;
  /** A step before which both blocks have the same state. */
  readonly sameStateAt: number;
  /** What holds for the bits of every block of such an attack. */
  readonly conditions: readonly BitCondition[];
}

/** Two bits of expanded message words that are the same, or differ. */
export interface BitCondition {
  readonly step: number;
  readonly bit: number;
  readonly otherStep: number;
  readonly otherBit: number;
  readonly differ: boolean;
}

/** Those that the paper found worth an attacker's while: type, step and rotation. */
const published = [
  ...[43, 44, 45, 46, 47, 48, 49, 50, 51, 52].map((step) => ['I', step, 0] as const),
  ...[46, 47, 48, 49, 50, 51].map((step) => ['I', step, 2] as const),
  ...[45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56].map((step) => ['II', step, 0] as const),
  ...[46, 49, 50, 51].map((step) => ['II', step, 2] as const),
];

/** With two kinds of attack out of three the states agree before step 58, with the others before step 65. */
const earlySameState = 58;
const lateSameState = 65;
const lastEarlyStep = 49;

/** Disturbances begin to matter so many steps before the first one. */
const reach = 5;

/** The steps in which an attacker leaves nothing to chance; before and behind them there are other ways. */
const firstCertainStep = 35;
const lastCertainStep = 64;

export const attackKinds: readonly AttackKind[] = published.map(([type, step, rotation]) => {
  const disturbances = disturbanceVector(type, step, rotation);
  const wordDifferences = Int32Array.from({ length: steps }, (_, at) =>
    corrections(at).reduce(
      (word, { from, rotate }) => word ^ rotated(disturbances(from), rotate),
      disturbances(at),
    ),
  );
  return {
    name: `${type}(${step},${rotation})`,
    wordDifferences,
    sameStateAt: step <= lastEarlyStep ? earlySameState : lateSameState,
    conditions: conditionsOf(disturbances, wordDifferences),
  };
});

/** Disturbed bits in each step from -5 on: given in sixteen of them, in all others by the message expansion of SHA-1. */
function disturbanceVector(type: 'I' | 'II', step: number, rotation: number): (at: number) => number {
  const words = new Map<number, number>();
  const word = (at: number): number => words.get(at) ?? 0;
  words.set(step + 15, 1 << rotation);
  if (type === 'II') for (const at of [step + 1, step + 3]) words.set(at, rotated(1, 31 + rotation));
  for (let at = step + 16; at < steps; at += 1)
    words.set(at, rotated(word(at - 3) ^ word(at - 8) ^ word(at - 14) ^ word(at - 16), 1));
  for (let at = step - 1; at >= -reach; at -= 1)
    words.set(at, rotated(word(at + 16), 31) ^ word(at + 13) ^ word(at + 8) ^ word(at + 2));
  return word;
}

/** How a disturbed bit comes back in the five steps behind it: as a summand, or through the Boolean function. */
function corrections(
  at: number,
): readonly { readonly from: number; readonly rotate: number; readonly keepsSign: boolean }[] {
  // The majority function, if it lets a difference through, leaves its sign as it is.
  const keepsSign = at >= 40 && at < 60;
  return [
    { from: at - 1, rotate: 5, keepsSign: true },
    { from: at - 2, rotate: 0, keepsSign },
    { from: at - 3, rotate: 30, keepsSign },
    { from: at - 4, rotate: 30, keepsSign },
    { from: at - 5, rotate: 30, keepsSign: true },
  ];
}

/** One of the differences that meet in one bit of the sum of a step. */
interface Part {
  /** Of which bit it has the sign; undefined when that is not certain. */
  readonly of: string | undefined;
  /** It is the sum, not a summand. */
  readonly isSum: boolean;
  /** Two bits side by side are disturbed: one carry may stand for both, or reach the next bit. */
  readonly isWide: boolean;
}

/**
 * Where exactly two differences meet they have to cancel each other, or one causes the other, so
 * their signs say the same; all bits of the message that are tied together like this make conditions.
 */
function conditionsOf(disturbances: (at: number) => number, words: Int32Array): readonly BitCondition[] {
  const ties = new SignTies();
  for (let at = firstCertainStep; at <= lastCertainStep; at += 1) {
    const parts = (bit: number): readonly Part[] => partsOf(disturbances, words, at, bit);
    // The highest bit has no sign: adding and subtracting are the same there.
    for (let bit = 0; bit < 31; bit += 1) {
      const [one, other, ...more] = parts(bit);
      if (one?.of === undefined || other?.of === undefined || more.length > 0) continue;
      if ([bit - 1, bit, bit + 1].some((near) => parts(near).some(({ isWide }) => isWide))) continue;
      ties.tie(one.of, other.of, one.isSum === other.isSum);
    }
  }
  return [...ties.groups].flatMap(bitsCompared);
}

function partsOf(
  disturbances: (at: number) => number,
  words: Int32Array,
  at: number,
  bit: number,
): readonly Part[] {
  const parts: Part[] = [];
  const add = (from: number, source: number, isSum: boolean, keepsSign: boolean): void => {
    const word = disturbances(from);
    if (!hasBit(word, source)) return;
    const isWide = hasBit(word, source - 1) || hasBit(word, source + 1);
    parts.push({ of: keepsSign ? `A ${from} ${source}` : undefined, isSum, isWide });
  };
  if (hasBit(words[at] ?? 0, bit)) parts.push({ of: `W ${at} ${bit}`, isSum: false, isWide: false });
  add(at, bit, true, true);
  for (const { from, rotate, keepsSign } of corrections(at)) {
    add(from, (bit - rotate + 32) % 32, false, keepsSign);
  }
  return parts;
}

/** Each message bit of a group compared with the first one. */
function bitsCompared(group: ReadonlyMap<string, boolean>): readonly BitCondition[] {
  const bits = [...group].flatMap(([name, sign]) => {
    const [kind, step, bit] = name.split(' ');
    return kind === 'W' ? [{ step: Number(step), bit: Number(bit), sign }] : [];
  });
  const [first, ...rest] = bits.sort((a, b) => a.step - b.step || a.bit - b.bit);
  if (first === undefined) return [];
  const { step, bit, sign } = first;
  return rest.map((other) => ({
    step,
    bit,
    otherStep: other.step,
    otherBit: other.bit,
    differ: other.sign !== sign,
  }));
}

function hasBit(word: number, bit: number): boolean {
  return bit >= 0 && bit < 32 && ((word >>> bit) & 1) === 1;
}

export function rotated(word: number, bits: number): number {
  const left = bits % 32;
  return left === 0 ? word : (word << left) | (word >>> (32 - left));
}
