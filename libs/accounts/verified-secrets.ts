import { hash } from 'node:crypto';
import type { Clock, Random, Settings } from '#base';
import type { UserIdentity } from './identity.ts';
import { ReadThroughCache, type Loaded } from './read-through-cache.ts';

export type SecretKind = 'password' | 'token' | 'session';

/**
 * Secrets that were verified a moment ago, so that a clone's several requests cost one check. Keyed
 * by a hash with a key of this process before it: neither a secret nor its stored hash can be read
 * from memory. No HMAC, because nobody sees a digest whose hash could be continued, and every
 * request pays for it.
 */
export class VerifiedSecrets {
  readonly #cache: ReadThroughCache<UserIdentity>;
  readonly #hashKey: string;

  constructor(settings: Settings['accounts'], clock: Clock, random: Random) {
    this.#hashKey = Buffer.from(random.bytes(32)).toString('base64');
    this.#cache = new ReadThroughCache({
      maxEntries: settings.verifiedSecretCacheEntries,
      lifetimeMs: settings.verifiedSecretCacheMs,
      clock,
    });
  }

  #key(kind: SecretKind, login: string, secret: string): string {
    return hash('sha256', this.#hashKey + JSON.stringify([kind, login, secret]), 'base64url');
  }

  /** Who `secret` belongs to; `check` is asked when it is not known. `login` is empty where the secret says who. */
  async identify(
    kind: SecretKind,
    login: string,
    secret: string,
    check: () => Promise<Loaded<UserIdentity> | undefined>,
  ): Promise<UserIdentity | undefined> {
    return this.#cache.read(this.#key(kind, login, secret), check);
  }

  /** After a password was changed, or a token revoked. */
  forgetUser(userId: string): void {
    this.#cache.forget((identity) => identity.userId === userId);
  }

  forgetSession(secret: string): void {
    const closed = this.#key('session', '', secret);
    this.#cache.forget((_, key) => key === closed);
  }
}
