import { resolve } from 'node:path';

/** Where git finds the config of the system and of the user who runs the server (git-config(1), "FILES"). */
export interface OperatorConfig {
  /** What git processes need in their environment to find it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Files that may be there at some time, absolute. */
  readonly files: readonly string[];
  /** What `~/` stands for in it. */
  readonly home: string | undefined;
}

/** Where gits are built to look: those of the system, and those that were installed beside it. */
const systemFiles = ['/etc/gitconfig', '/usr/local/etc/gitconfig'] as const;

/** The operator's config as the variables of `environment` say it; paths that are not absolute are seen from here. */
export function operatorConfig(environment: Readonly<Record<string, string | undefined>>): OperatorConfig {
  const { HOME: home, XDG_CONFIG_HOME: xdg, GIT_CONFIG_NOSYSTEM: withoutSystem } = environment;
  const { GIT_CONFIG_SYSTEM: system, GIT_CONFIG_GLOBAL: global } = environment;
  const found: Record<string, string> = {};
  const files: string[] = [];
  if (withoutSystem !== undefined) found['GIT_CONFIG_NOSYSTEM'] = withoutSystem;
  // Empty names no file, and still stands in for the usual ones.
  const place = (path: string): string => (path === '' ? '' : resolve(path));
  if (system === undefined) files.push(...systemFiles);
  else files.push((found['GIT_CONFIG_SYSTEM'] = place(system)));
  if (home) found['HOME'] = resolve(home);
  if (xdg) found['XDG_CONFIG_HOME'] = resolve(xdg);
  if (global !== undefined) {
    files.push((found['GIT_CONFIG_GLOBAL'] = place(global)));
  } else {
    if (xdg) files.push(resolve(xdg, 'git/config'));
    else if (home) files.push(resolve(home, '.config/git/config'));
    if (home) files.push(resolve(home, '.gitconfig'));
  }
  return { environment: found, files: files.filter((file) => file !== ''), home: found['HOME'] };
}
