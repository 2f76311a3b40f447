import { ConnectionLimit, PackhorseError, type Settings } from '#base';
import type { Metrics } from '#telemetry';

const limitNames = { connections: 'git_sessions', connections_per_address: 'git_sessions_per_address' };

/** Counts running Git sessions, in all and by address, and refuses politely past the limits. */
export class SessionLimits {
  readonly #sessions: ConnectionLimit;
  readonly #metrics: Metrics;

  constructor(settings: Settings['node'], metrics: Metrics) {
    this.#sessions = new ConnectionLimit({
      maxConnections: settings.maxGitSessions,
      maxConnectionsPerAddress: settings.maxGitSessionsPerAddress,
    });
    this.#metrics = metrics;
  }

  get running(): number {
    return this.#sessions.open;
  }

  /** Takes a place, or throws `unavailable`. The returned function gives it back; calling it twice does nothing. */
  enter(remoteAddress: string): () => void {
    const objection = this.#sessions.objection(remoteAddress);
    if (objection === undefined) return this.#sessions.enter(remoteAddress);
    const limit = limitNames[objection];
    this.#metrics.limitsReached.inc({ limit });
    throw new PackhorseError('unavailable', 'The server is busy. Please try again in a moment.', {
      metadata: { limit },
    });
  }
}
