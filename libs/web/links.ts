/** Addresses of pages; every part that a person chose is encoded here and nowhere else. */

export interface RepositoryName {
  readonly ownerLogin: string;
  readonly name: string;
}

/** Names from repositories may hold anything, also half of a surrogate pair, which has no encoding. */
const encode = (name: string): string => encodeURIComponent(name.toWellFormed());

const encodePath = (path: string): string => path.split('/').map(encode).join('/');

export function ownerLink(login: string): string {
  return `/${encode(login)}`;
}

export function repositoryLink({ ownerLogin, name }: RepositoryName): string {
  return `/${encode(ownerLogin)}/${encode(name)}`;
}

export type RevisionPage = 'tree' | 'blob' | 'raw' | 'history';

/** A page about something inside a repository, such as `/ada/hello/blob/main/src/main.c`. */
export function revisionLink(
  repository: RepositoryName,
  view: RevisionPage,
  revision: string,
  path = '',
): string {
  const suffix = path === '' ? '' : `/${encodePath(path)}`;
  return `${repositoryLink(repository)}/${view}/${encodePath(revision)}${suffix}`;
}

export function commitLink(repository: RepositoryName, oid: string): string {
  return `${repositoryLink(repository)}/commit/${oid}`;
}

export function refsLink(repository: RepositoryName): string {
  return `${repositoryLink(repository)}/refs`;
}

/** The page of an annotated tag; `tag` is its name without `refs/tags/`. */
export function tagLink(repository: RepositoryName, tag: string): string {
  return `${repositoryLink(repository)}/tag/${encodePath(tag)}`;
}

/** What `head` has that `base` has not; without them, the form that asks for them. */
export function compareLink(
  repository: RepositoryName,
  range?: { readonly base: string; readonly head: string },
): string {
  const address = `${repositoryLink(repository)}/compare`;
  return range === undefined ? address : `${address}/${encodePath(range.base)}...${encodePath(range.head)}`;
}

export function signInLink(returnTo: string): string {
  return `/login?return=${encode(returnTo)}`;
}

/** A path on this site that a request names; anything that a browser would take for another site is `/`. */
export function localPath(path: string | undefined): string {
  if (path === undefined || !path.startsWith('/')) return '/';
  // Parsed as browsers do, which ignore line breaks and tabs and take a backslash for a slash.
  const here = 'http://here.invalid';
  const url = URL.parse(path, here);
  // A path that begins with two slashes would name a host once it stands alone.
  if (url === null || url.origin !== here || url.pathname.startsWith('//')) return '/';
  return `${url.pathname}${url.search}${url.hash}`;
}
