import { PackhorseError } from '#base';
import { tokenPrefix } from './secret.ts';

/**
 * The rules for names, as pure functions: each returns a sentence that says what is wrong, or
 * undefined. A login and a repository's name are parts of paths and URLs, so their alphabet is small.
 */

const maxLoginLength = 39;
const maxRepositoryNameLength = 100;
const maxEmailLength = 254;
const maxDescriptionLength = 500;
const minPasswordLength = 8;
const maxPasswordLength = 1024;
const maxTitleLength = 100;

/** First segments of the server's own paths, and of those it may need; `-` is the namespace of all later ones. */
const reservedLogins: ReadonlySet<string> = new Set(
  (
    '- api assets events explore favicon.ico graphql healthz help livez login logout metrics new notifications ' +
    'organisations organizations readyz register robots.txt search sessions settings signin signout signup ' +
    'static users well-known'
  ).split(' '),
);

/** What clients send as login beside a token when they know no login; nobody can have these. */
export const placeholderLogins: ReadonlySet<string> = new Set(['git', 'oauth2', 'token', 'x-access-token']);

/** Endings that Git itself, or the web's paths, give a meaning. */
const reservedEndings = ['.git', '.lock', '.wiki', '.atom', '.bundle'];

/** The form in which two names are the same name: their case does not count. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

function alphabetProblem(what: string, name: string, maxLength: number): string | undefined {
  if (name === '') return `${what} must not be empty.`;
  if (name.length > maxLength) return `${what} must not be longer than ${maxLength} characters.`;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    return `${what} may only contain letters, digits, "-", "_" and ".".`;
  }
  if (/^[.-]/.test(name)) return `${what} must not begin with "." or "-".`;
  if (name.endsWith('.')) return `${what} must not end with ".".`;
  if (name.includes('..')) return `${what} must not contain "..".`;
  const ending = reservedEndings.find((reserved) => nameKey(name).endsWith(reserved));
  return ending === undefined ? undefined : `${what} must not end with "${ending}".`;
}

export function loginProblem(login: string): string | undefined {
  const problem = alphabetProblem('A login', login, maxLoginLength);
  if (problem !== undefined) return problem;
  const key = nameKey(login);
  return reservedLogins.has(key) || placeholderLogins.has(key)
    ? 'This login is reserved. Choose another one.'
    : undefined;
}

export function repositoryNameProblem(name: string): string | undefined {
  return alphabetProblem("A repository's name", name, maxRepositoryNameLength);
}

/** Only what every address has (RFC 5321, 4.5.3.1 for its length): the rest is known when mail arrives. */
export function emailProblem(email: string): string | undefined {
  if (email.length > maxEmailLength)
    return `An email address must not be longer than ${maxEmailLength} characters.`;
  // The characters that would end the address inside a commit's author line are excluded too.
  return /^[^\s@<>"\p{Cc}]+@[^\s@<>"\p{Cc}]+$/u.test(email) ? undefined : 'That is not an email address.';
}

export function passwordProblem(password: string): string | undefined {
  if (password.length < minPasswordLength)
    return `A password must have at least ${minPasswordLength} characters.`;
  // Otherwise it could not be told from a token where either may be given.
  if (password.startsWith(tokenPrefix)) return `A password must not begin with "${tokenPrefix}".`;
  if (password.length > maxPasswordLength)
    return `A password must not be longer than ${maxPasswordLength} characters.`;
  return undefined;
}

function lineProblem(what: string, text: string, maxLength: number): string | undefined {
  if (text.length > maxLength) return `${what} must not be longer than ${maxLength} characters.`;
  return /\p{Cc}/u.test(text) ? `${what} must be one line of text.` : undefined;
}

export function descriptionProblem(description: string): string | undefined {
  return lineProblem('A description', description, maxDescriptionLength);
}

/** For the names that people give their tokens and keys. */
export function titleProblem(title: string): string | undefined {
  return title.trim() === '' ? 'A name must not be empty.' : lineProblem('A name', title, maxTitleLength);
}

/** Throws the first problem as `invalid_argument`. */
export function requireValid(...problems: readonly (string | undefined)[]): void {
  const problem = problems.find((found) => found !== undefined);
  if (problem !== undefined) throw new PackhorseError('invalid_argument', problem);
}
