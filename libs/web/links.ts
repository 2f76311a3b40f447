/** Addresses of pages; every part that a person chose is encoded here and nowhere else. */

export interface RepositoryName {
  readonly ownerLogin: string;
  readonly name: string;
}

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

export function repositoryLink({ ownerLogin, name }: RepositoryName): string {
  return `/${encodeURIComponent(ownerLogin)}/${encodeURIComponent(name)}`;
}

/** A page about something inside a repository, such as `/ada/hello/blob/main/src/main.c`. */
export function revisionLink(
  repository: RepositoryName,
  view: 'tree' | 'blob' | 'raw' | 'history',
  revision: string,
  path = '',
): string {
  const suffix = path === '' ? '' : `/${encodePath(path)}`;
  return `${repositoryLink(repository)}/${view}/${encodePath(revision)}${suffix}`;
}

export function commitLink(repository: RepositoryName, oid: string): string {
  return `${repositoryLink(repository)}/commit/${oid}`;
}
