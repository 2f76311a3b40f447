import { PackhorseError } from '#base';

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
