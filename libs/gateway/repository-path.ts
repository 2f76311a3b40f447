import { PackhorseError } from '#base';

/**
 * A path as a Git client named it, without slashes in front; undefined when no repository can be
 * called so, or when it would climb out of a directory.
 */
export function cleanRepositoryPath(named: string): string | undefined {
  const path = named.replace(/^\/+/, '');
  // oxlint-disable-next-line eslint/no-control-regex -- control characters are what is looked for
  const isHostile = path === '' || /[\\\u0000-\u001f\u007f]/.test(path);
  const climbs = path.split('/').some((segment) => segment === '.' || segment === '..');
  return isHostile || climbs ? undefined : path;
}

/** OWNER/NAME out of what a Git client named; `.git` at the end and slashes around are optional. */
export function parseRepositoryPath(path: string): { readonly ownerLogin: string; readonly name: string } {
  const [ownerLogin, name, ...rest] = path
    .replace(/^\/+|\/+$/g, '')
    .replace(/\.git$/, '')
    .split('/');
  if (ownerLogin === undefined || name === undefined || ownerLogin === '' || name === '' || rest.length > 0) {
    throw new PackhorseError(
      'not_found',
      'There is no repository here: its address has the form OWNER/NAME.git.',
    );
  }
  return { ownerLogin, name };
}
