import { createHash, timingSafeEqual } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { scopes, type Authenticator, type UserIdentity } from '#accounts';
import type { Random } from '#base';

/** Whoever can read the data directory operates this server. */
const operator: UserIdentity = {
  kind: 'user',
  userId: 'operator',
  login: 'operator',
  email: 'operator@localhost',
  isAdmin: true,
  via: 'token',
  scopes: new Set(scopes),
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * The operator's way in from the same machine: a token that is made anew at each start and lies in
 * `DATA_DIR/admin.json` (mode 0600) for as long as the server runs.
 */
export class AdminAccess {
  readonly #path: string;
  readonly #token: string;
  readonly #digest: Buffer;

  constructor(dataDir: string, random: Random) {
    this.#path = join(dataDir, 'admin.json');
    this.#token = `pho_${random.bytes(32).toString('base64url')}`;
    this.#digest = digest(this.#token);
  }

  /** The same authenticator, which also knows the operator's token (compared in constant time). */
  extend(authenticator: Authenticator): Authenticator {
    return {
      byPassword: (login, secret, remoteAddress) => authenticator.byPassword(login, secret, remoteAddress),
      byToken: async (token) =>
        timingSafeEqual(digest(token), this.#digest) ? operator : authenticator.byToken(token),
      byKey: (key) => authenticator.byKey(key),
      bySession: (secret) => authenticator.bySession(secret),
    };
  }

  /** Writes the file in one step, so that a reader never sees half of it. */
  async publish(url: string): Promise<void> {
    const temporary = `${this.#path}.${process.pid}`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ url, token: this.#token, pid: process.pid })}\n`);
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }

  async withdraw(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
