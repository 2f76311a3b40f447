import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * The node's metrics in Prometheus' exposition format (prom-client: the ecosystem's standard).
 * Labels have few values each: never a login, a repository or an address.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly gitSessions: Counter<'service' | 'transport' | 'outcome'>;
  readonly gitSessionSeconds: Histogram<'service' | 'transport'>;
  readonly gitSessionsRunning: Gauge<'service'>;
  readonly limitsReached: Counter<'limit'>;
  readonly httpRequests: Counter<'door' | 'status'>;
  readonly sshLogins: Counter<'outcome'>;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.gitSessions = new Counter({
      name: 'packhorse_git_sessions_total',
      help: 'Git sessions by service, transport and outcome (ok or an error code).',
      labelNames: ['service', 'transport', 'outcome'],
      registers,
    });
    this.gitSessionSeconds = new Histogram({
      name: 'packhorse_git_session_seconds',
      help: 'Duration of Git sessions.',
      labelNames: ['service', 'transport'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60, 300],
      registers,
    });
    this.gitSessionsRunning = new Gauge({
      name: 'packhorse_git_sessions_running',
      help: 'Git sessions that are running now.',
      labelNames: ['service'],
      registers,
    });
    this.limitsReached = new Counter({
      name: 'packhorse_limits_reached_total',
      help: 'How often a named limit answered instead of the server.',
      labelNames: ['limit'],
      registers,
    });
    this.httpRequests = new Counter({
      name: 'packhorse_http_requests_total',
      help: 'HTTP requests by door (git, web or status) and class of status.',
      labelNames: ['door', 'status'],
      registers,
    });
    this.sshLogins = new Counter({
      name: 'packhorse_ssh_logins_total',
      help: 'SSH connections that came as far as a login, by outcome (accepted or refused).',
      labelNames: ['outcome'],
      registers,
    });
  }

  /** A gauge whose value is asked for when metrics are read. */
  observe(name: string, help: string, read: () => number): void {
    // The collector lives in the registry; nothing else needs a handle on it.
    void new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  async exposition(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
