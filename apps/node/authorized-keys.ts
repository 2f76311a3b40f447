import type { PublicKey } from '#accounts';

/** The public keys of an authorized_keys file (sshd(8)), read anew at each login so that changes count at once. */
export class AuthorizedKeys {
  readonly #read: () => Promise<string>;

  constructor(read: () => Promise<string>) {
    this.#read = read;
  }

  async has(key: PublicKey): Promise<boolean> {
    const wanted = Buffer.from(key.blob).toString('base64');
    const lines = (await this.#read()).split('\n');
    return lines.some(
      (line) => !line.trimStart().startsWith('#') && line.trim().split(/\s+/).includes(wanted),
    );
  }
}
