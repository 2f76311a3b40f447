import { anonymous, type Authenticator, type Identity } from '#accounts';
import { PackhorseError } from '#base';

/** What an `Authorization` header claims, not yet verified. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly login: string; readonly secret: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'malformed' };

/**
 * Reads `Authorization`: Basic (RFC 7617) with a password or a token, a token as the user name with
 * `x-oauth-basic` or nothing as password, and Bearer (RFC 6750).
 */
export function parseAuthorization(header: string | undefined): Credentials {
  if (header === undefined) return { kind: 'none' };
  const match = /^(?<scheme>[A-Za-z]+) +(?<value>[A-Za-z0-9._~+/=-]+) *$/.exec(header);
  const scheme = match?.groups?.['scheme']?.toLowerCase();
  const value = match?.groups?.['value'] ?? '';
  if (scheme === 'bearer') return { kind: 'token', token: value };
  if (scheme !== 'basic') return { kind: 'malformed' };
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { kind: 'malformed' };
  const login = text.slice(0, colon);
  const secret = text.slice(colon + 1);
  if (login !== '' && (secret === '' || secret === 'x-oauth-basic')) return { kind: 'token', token: login };
  if (login === '') return { kind: 'malformed' };
  return { kind: 'password', login, secret };
}

/**
 * Who is asking. Nobody in particular without the header, or without accounts at all; wrong
 * credentials are never taken for none: they throw `unauthenticated`.
 */
export async function authenticate(
  authenticator: Authenticator | undefined,
  header: string | undefined,
  remoteAddress: string,
): Promise<Identity> {
  if (authenticator === undefined) return anonymous;
  const credentials = parseAuthorization(header);
  if (credentials.kind === 'none') return anonymous;
  if (credentials.kind === 'token') return authenticator.byToken(credentials.token);
  if (credentials.kind === 'password') {
    return authenticator.byPassword(credentials.login, credentials.secret, remoteAddress);
  }
  throw new PackhorseError(
    'unauthenticated',
    'The Authorization header is not understood: use Basic or Bearer.',
  );
}
