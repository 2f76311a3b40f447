import { PackhorseError, type Settings } from '#base';
import type { Metrics } from '#telemetry';

/** Counts running Git sessions, in all and by address, and refuses politely past the limits. */
export class SessionLimits {
  readonly #settings: Settings['node'];
  readonly #metrics: Metrics;
  readonly #byAddress = new Map<string, number>();
  #running = 0;

  constructor(settings: Settings['node'], metrics: Metrics) {
    this.#settings = settings;
    this.#metrics = metrics;
  }

  get running(): number {
    return this.#running;
  }

  /** Takes a place, or throws `unavailable`. The returned function gives it back; calling it twice does nothing. */
  enter(remoteAddress: string): () => void {
    const ofAddress = this.#byAddress.get(remoteAddress) ?? 0;
    if (this.#running >= this.#settings.maxGitSessions) this.#refuse('git_sessions');
    if (ofAddress >= this.#settings.maxGitSessionsPerAddress) this.#refuse('git_sessions_per_address');
    this.#running += 1;
    this.#byAddress.set(remoteAddress, ofAddress + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#running -= 1;
      const remaining = (this.#byAddress.get(remoteAddress) ?? 1) - 1;
      if (remaining === 0) this.#byAddress.delete(remoteAddress);
      else this.#byAddress.set(remoteAddress, remaining);
    };
  }

  #refuse(limit: string): never {
    this.#metrics.limitsReached.inc({ limit });
    throw new PackhorseError('unavailable', 'The server is busy. Please try again in a moment.', {
      metadata: { limit },
    });
  }
}
