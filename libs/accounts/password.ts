import { argon2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { PackhorseError, type Random, type Settings } from '#base';

/** Costs of argon2id (RFC 9106): memory in KiB, passes over it, lanes. */
interface Costs {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

interface PasswordHash extends Costs {
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const saltBytes = 16;
const tagBytes = 32;
const phcPattern = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const argon2Async = promisify(argon2);

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

/** PHC string format: `$argon2id$v=19$m=...,t=...,p=...$salt$hash`. */
function encode(hash: PasswordHash): string {
  const { memoryKiB, passes, lanes, salt, tag } = hash;
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(tag)}`;
}

function decode(text: string): PasswordHash | undefined {
  const [, memory, passes, lanes, salt, tag] = phcPattern.exec(text) ?? [];
  if (salt === undefined || tag === undefined) return undefined;
  return {
    memoryKiB: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

async function computeTag(
  password: string,
  salt: Buffer,
  costs: Costs,
  lengthBytes: number,
): Promise<Buffer> {
  return argon2Async('argon2id', {
    // The same characters typed on another keyboard may be composed differently (RFC 8265, 4.2).
    message: password.normalize('NFC'),
    nonce: salt,
    parallelism: costs.lanes,
    tagLength: lengthBytes,
    memory: costs.memoryKiB,
    passes: costs.passes,
  });
}

/** At most `concurrency` at once, at most `maxQueued` waiting; past it `unavailable`. */
class Gate {
  readonly #concurrency: number;
  readonly #maxQueued: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(concurrency: number, maxQueued: number) {
    this.#concurrency = concurrency;
    this.#maxQueued = maxQueued;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#concurrency) {
      this.#running += 1;
    } else {
      if (this.#waiting.length >= this.#maxQueued) {
        throw new PackhorseError('unavailable', 'Too many people are signing in right now. Try again.');
      }
      // Whoever finishes hands its place over, so `#running` does not change.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

export interface Verification {
  readonly matches: boolean;
  /** The stored hash was made with other costs than today's: store a new one. */
  readonly isOutdated: boolean;
}

/** Hashes and verifies passwords with argon2id, a few at a time: each takes `passwordMemoryBytes`. */
export class PasswordHasher {
  readonly #costs: Costs;
  readonly #gate: Gate;
  readonly #random: Random;
  /** Verified against when there is no such user, so that this takes as long as a wrong password. */
  readonly #nobody: PasswordHash;

  constructor(settings: Settings['accounts'], random: Random) {
    this.#costs = {
      memoryKiB: Math.ceil(settings.passwordMemoryBytes / 1024),
      passes: settings.passwordPasses,
      lanes: 1,
    };
    this.#gate = new Gate(settings.maxConcurrentHashes, settings.maxQueuedHashes);
    this.#random = random;
    this.#nobody = { ...this.#costs, salt: random.bytes(saltBytes), tag: random.bytes(tagBytes) };
  }

  /** Throws `unavailable` when too many wait. */
  async hash(password: string): Promise<string> {
    const salt = this.#random.bytes(saltBytes);
    const tag = await this.#gate.run(() => computeTag(password, salt, this.#costs, tagBytes));
    return encode({ ...this.#costs, salt, tag });
  }

  /** `stored` is undefined when there is no such user: then nothing matches. Throws `unavailable` when too many wait. */
  async verify(password: string, stored: string | undefined): Promise<Verification> {
    const known = stored === undefined ? undefined : decode(stored);
    const hash = known ?? this.#nobody;
    const tag = await this.#gate.run(() => computeTag(password, hash.salt, hash, hash.tag.length));
    const { memoryKiB, passes, lanes } = this.#costs;
    return {
      matches: timingSafeEqual(tag, hash.tag) && known !== undefined,
      isOutdated: hash.memoryKiB !== memoryKiB || hash.passes !== passes || hash.lanes !== lanes,
    };
  }
}
