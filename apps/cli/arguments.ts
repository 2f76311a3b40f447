import { InvalidArgumentError } from 'commander';

/** How the command line writes the API's names. */
export const scopeNames: Readonly<Record<string, string>> = {
  'repo:read': 'REPO_READ',
  'repo:write': 'REPO_WRITE',
  account: 'ACCOUNT',
  admin: 'ADMIN',
};

/** The API's name back as on the command line. */
export function scopeName(apiName: string): string {
  return Object.entries(scopeNames).find(([, name]) => name === apiName)?.[0] ?? apiName;
}

/** Collects `--scope`, which may be given several times or separated by commas. */
export function parseScopes(text: string, before: readonly string[] | undefined): readonly string[] {
  const scopes = text.split(',').map((scope) => {
    const name = scopeNames[scope.trim()];
    if (name === undefined) {
      throw new InvalidArgumentError(`It must be one of ${Object.keys(scopeNames).join(', ')}.`);
    }
    return name;
  });
  return [...new Set([...(before ?? []), ...scopes])];
}

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

/** OWNER/NAME, with or without `.git`. */
export function parseRepositoryName(text: string): RepositoryName {
  const [, owner, name] = /^\/?([^/\s]+)\/([^/\s]+?)(?:\.git)?\/?$/.exec(text) ?? [];
  if (owner === undefined || name === undefined) {
    throw new InvalidArgumentError('A repository is named OWNER/NAME, such as ada/hello.');
  }
  return { owner, name };
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** When something expires: `90d`, `12h`, `4w`, a date, or undefined for `never`. */
export function parseExpiry(text: string, nowMs: number): Date | undefined {
  if (text === 'never') return undefined;
  const [, count, unit] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
  const isDate = /^\d{4}-\d{2}-\d{2}(T.*)?$/.test(text);
  const time =
    count === undefined || unit === undefined
      ? new Date(isDate ? text : Number.NaN)
      : new Date(nowMs + Number(count) * (unitMs[unit] ?? 0));
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('Write 90d, 12h, 4w, a date such as 2030-12-31, or never.');
  }
  if (time.getTime() <= nowMs) throw new InvalidArgumentError('That is in the past.');
  return time;
}
