/** What a token may be used for. `repo:write` includes `repo:read`; `account` is managing one's own keys, tokens and repositories. */
export const scopes = ['repo:read', 'repo:write', 'account', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text);
}

export interface AnonymousIdentity {
  readonly kind: 'anonymous';
}

export interface UserIdentity {
  readonly kind: 'user';
  readonly userId: string;
  readonly login: string;
  readonly email: string;
  readonly isAdmin: boolean;
  /** How the user proved it; only a token is limited by scopes. */
  readonly via: 'password' | 'token' | 'key' | 'session';
  readonly scopes: ReadonlySet<Scope>;
}

/** Who is asking. Bound only after a secret or a signature was verified. */
export type Identity = AnonymousIdentity | UserIdentity;

export const anonymous: AnonymousIdentity = { kind: 'anonymous' };
