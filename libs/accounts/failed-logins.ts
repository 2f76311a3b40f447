import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import { PackhorseError, type Clock, type Settings } from '#base';

/** Pairs of login and address that are remembered; the least recently seen is forgotten first. */
const maxEntries = 50_000;

/** Addresses that one person can change between at will: a /64 in IPv6 (RFC 6177), else the address itself. */
function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const plain = address.replace(/%.*$/, '');
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}

/** Counts failed passwords per login and address in a window of time. */
export class FailedLogins {
  readonly #counts = new LRUCache<string, { readonly count: number; readonly windowEndsAtMs: number }>({
    max: maxEntries,
  });
  readonly #settings: Settings['accounts'];
  readonly #clock: Clock;

  constructor(settings: Settings['accounts'], clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * Counts an attempt as failed before it is made, so that many at once count too; call the returned
   * function when it succeeded. Throws `resource_exhausted` when there were too many.
   */
  begin(loginKey: string, address: string): () => void {
    const key = `${loginKey}\n${addressGroup(address)}`;
    const nowMs = this.#clock.nowMs();
    const seen = this.#counts.get(key);
    const current =
      seen !== undefined && nowMs < seen.windowEndsAtMs
        ? seen
        : { count: 0, windowEndsAtMs: nowMs + this.#settings.failedLoginWindowMs };
    if (current.count >= this.#settings.maxFailedLogins) {
      throw new PackhorseError(
        'resource_exhausted',
        'Too many failed attempts to sign in. Wait a few minutes.',
        {
          metadata: { retryAfterMs: current.windowEndsAtMs - nowMs },
        },
      );
    }
    this.#counts.set(key, { ...current, count: current.count + 1 });
    return () => void this.#counts.delete(key);
  }
}
