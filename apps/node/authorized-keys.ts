import type { PublicKey } from '#accounts';
import type { Clock } from '#base';
import { parseAuthorizedKey, type KeyOptions } from './authorized-key-line.ts';
import { matchesAddress } from './address-patterns.ts';

/** What the file says about a key: that it may come in, or why not. */
export type KeyVerdict =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Options that only take away what is not given here anyway, or give back what is not there. */
const harmless = new Set([
  'restrict',
  'pty',
  'no-pty',
  'port-forwarding',
  'no-port-forwarding',
  'agent-forwarding',
  'no-agent-forwarding',
  'x11-forwarding',
  'no-x11-forwarding',
  'user-rc',
  'no-user-rc',
  'permitopen',
  'permitlisten',
  'tunnel',
]);

/** The one forced command that means what is done here anyway. */
const gitShell = /^(?:exec )?(?:\/[\w./-]*\/)?git[- ]shell -c "\$SSH_ORIGINAL_COMMAND"$/;

/**
 * The public keys of an authorized_keys file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"), read anew at
 * each login so that changes count at once. Options are honoured, or the key is refused: never ignored.
 */
export class AuthorizedKeys {
  readonly #read: () => Promise<string>;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(read: () => Promise<string>, clock: Pick<Clock, 'nowMs'>) {
    this.#read = read;
    this.#clock = clock;
  }

  /** A key may be on several lines: one that lets it in is enough. */
  async judge(key: PublicKey, remoteAddress: string): Promise<KeyVerdict> {
    const wanted = Buffer.from(key.blob).toString('base64');
    let verdict: KeyVerdict = { kind: 'unknown' };
    for (const line of (await this.#read()).split('\n')) {
      if (!line.includes(wanted)) continue;
      const parsed = parseAuthorizedKey(line);
      if (parsed?.base64 !== wanted) continue;
      const reason = this.#objection(parsed.options, remoteAddress);
      if (reason === undefined) return { kind: 'allowed' };
      verdict = { kind: 'refused', reason };
    }
    return verdict;
  }

  #objection(options: KeyOptions, remoteAddress: string): string | undefined {
    for (const { name, value } of options) {
      if (harmless.has(name)) continue;
      if (name === 'from' && value !== undefined) {
        if (!matchesAddress(value, remoteAddress)) return 'it may not come from this address (from=)';
      } else if (name === 'expiry-time' && value !== undefined) {
        const expiresAtMs = parseExpiry(value);
        if (expiresAtMs === undefined) return 'its expiry-time is not understood';
        if (expiresAtMs <= this.#clock.nowMs()) return 'it has expired (expiry-time=)';
      } else if (name === 'command' && value !== undefined) {
        if (!gitShell.test(value)) return 'its forced command is not run here (command=)';
      } else {
        return `its option ${name} is not served here`;
      }
    }
    return undefined;
  }
}

/** `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`, in local time without the Z. */
function parseExpiry(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const isUtc = match[7] === 'Z';
  return isUtc
    ? Date.UTC(year, month - 1, day, hours, minutes, seconds)
    : new Date(year, month - 1, day, hours, minutes, seconds).getTime();
}
