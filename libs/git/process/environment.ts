/**
 * What every git process is told, over anything the repository's own config says: nothing that
 * runs code (hooks, file-system monitors), nothing that fetches, nothing that starts by itself.
 * Directories belong to whoever mounted the volume, so ownership is not checked (safe.directory).
 */
const forcedConfig: readonly (readonly [key: string, value: string])[] = [
  ['safe.directory', '*'],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.fsync', 'all'],
  ['protocol.allow', 'never'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.objectNameWarning', 'false'],
];

/**
 * The whole environment of a git process (git(1), "ENVIRONMENT VARIABLES"). Nothing is inherited
 * but PATH, so no `GIT_*` variable of the server, no user config and no locale reaches it.
 */
export function gitEnvironment(
  gitDir: string,
  config: Readonly<Record<string, string>> = {},
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_DIR: gitDir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_PROTOCOL_FROM_USER: '0',
  };
  const entries = [...Object.entries(config), ...forcedConfig];
  environment['GIT_CONFIG_COUNT'] = String(entries.length);
  entries.forEach(([key, value], index) => {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return Object.assign(environment, extra);
}
