// Controls, space, and the characters that revisions, refspecs and globs need for themselves.
// oxlint-disable-next-line no-control-regex
const forbidden = /[\u0000-\u0020\u007f~^:?*[\\]/;

function isValidComponent(component: string): boolean {
  return component !== '' && !component.startsWith('.') && !component.endsWith('.lock');
}

/**
 * The rules of git-check-ref-format for a whole name such as `refs/heads/main`. One-level names
 * (`HEAD`) are valid only with `allowOneLevel`.
 */
export function isValidRefName(name: string, options: { readonly allowOneLevel?: boolean } = {}): boolean {
  if (name === '@' || name.endsWith('.') || name.includes('..') || name.includes('@{')) return false;
  if (forbidden.test(name)) return false;
  const components = name.split('/');
  if (components.length < 2 && options.allowOneLevel !== true) return false;
  return components.every(isValidComponent);
}

/**
 * True when a push may name `name`: below `refs/`, and valid behind it. `refs/x` alone is refused
 * except for deletion, as in Git, so that such a ref can at least be removed.
 */
export function isPushableRefName(name: string, isDeletion: boolean): boolean {
  return name.startsWith('refs/') && isValidRefName(name.slice(5), { allowOneLevel: isDeletion });
}
