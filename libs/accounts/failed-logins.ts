import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import { PackhorseError, type Clock, type Settings } from '#base';

/** Windows that are remembered; the least recently used is forgotten first. */
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

interface Window {
  readonly count: number;
  readonly endsAtMs: number;
}

/**
 * Counts failed passwords in a window of time: per login and address, so that nobody's password is
 * guessed, and per address, so that one password is not tried on everybody.
 */
export class FailedLogins {
  readonly #windows = new LRUCache<string, Window>({ max: maxEntries });
  readonly #settings: Settings['accounts'];
  readonly #clock: Clock;

  constructor(settings: Settings['accounts'], clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * Counts an attempt as failed before it is made, so that many at once count too. Call the returned
   * function when it succeeded, or when it could not be decided. Throws `resource_exhausted` when
   * there were too many.
   */
  begin(loginKey: string, address: string): (outcome: 'succeeded' | 'undecided') => void {
    const group = addressGroup(address);
    const pair = `${group}\n${loginKey}`;
    const { maxFailedLogins, maxFailedLoginsPerAddress } = this.#settings;
    this.#require(pair, maxFailedLogins);
    this.#require(group, maxFailedLoginsPerAddress);
    this.#add(pair, 1);
    this.#add(group, 1);
    return (outcome) => {
      if (outcome === 'succeeded') this.#windows.delete(pair);
      else this.#add(pair, -1);
      // Signing in to one account must not make room for guessing at another.
      this.#add(group, -1);
    };
  }

  #window(key: string): Window {
    const nowMs = this.#clock.nowMs();
    const window = this.#windows.get(key);
    if (window !== undefined && nowMs < window.endsAtMs) return window;
    return { count: 0, endsAtMs: nowMs + this.#settings.failedLoginWindowMs };
  }

  #require(key: string, limit: number): void {
    const { count, endsAtMs } = this.#window(key);
    if (count < limit) return;
    throw new PackhorseError(
      'resource_exhausted',
      'Too many failed attempts to sign in. Wait a few minutes.',
      {
        metadata: { retryAfterMs: endsAtMs - this.#clock.nowMs() },
      },
    );
  }

  #add(key: string, difference: number): void {
    const window = this.#window(key);
    this.#windows.set(key, { ...window, count: Math.max(0, window.count + difference) });
  }
}
