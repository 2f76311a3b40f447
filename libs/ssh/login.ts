import type { AuthContext } from 'ssh2';
import type { Identity } from '#accounts';
import { toPackhorseError, type Log } from '#base';
import { fingerprintOf } from './fingerprint.ts';
import { judgeKey, type KeyLookup } from './public-key.ts';

export interface LoginOptions {
  readonly lookup: KeyLookup;
  readonly maxAttempts: number;
  readonly log: Log;
  /** Called when the client has tried in vain too often, or nobody can say who it is. */
  readonly giveUp: () => void;
}

const methods: 'publickey'[] = ['publickey'];

/** The authentication of one connection (RFC 4252): by public key, whatever the user name. */
export class Login {
  readonly #options: LoginOptions;
  #identity: Identity | undefined;
  #failures = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** Who it is, after a signature was verified. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Attempts in vain. */
  get failures(): number {
    return this.#failures;
  }

  /** Answers one request; never rejects. */
  async answer(context: AuthContext): Promise<void> {
    // The next request of a client that is being turned away may already be on its way.
    if (this.#identity !== undefined || this.#failures >= this.#options.maxAttempts) return;
    // `none` is how clients ask which methods there are.
    if (context.method === 'none') return context.reject(methods);
    if (context.method !== 'publickey') return this.#refuse(context, 'method not served');
    try {
      const verdict = await judgeKey(context, this.#options.lookup);
      if (verdict.kind === 'proven') this.#identity = verdict.identity;
      if (verdict.kind === 'proven' || verdict.kind === 'known') context.accept();
      else this.#refuse(context, verdict.kind === 'forged' ? 'wrong signature' : 'unknown key');
    } catch (thrown) {
      // "Permission denied" would not be true: hang up, so that the client sees a server in trouble.
      this.#options.log.error('an ssh key could not be checked', { error: toPackhorseError(thrown) });
      this.#options.giveUp();
    }
  }

  #refuse(context: AuthContext, reason: string): void {
    const { log, maxAttempts, giveUp } = this.#options;
    this.#failures += 1;
    log.info('ssh login refused', {
      reason,
      user: context.username,
      method: context.method,
      ...(context.method === 'publickey' && { key: fingerprintOf(context.key.data) }),
    });
    context.reject(methods);
    if (this.#failures >= maxAttempts) giveUp();
  }
}
