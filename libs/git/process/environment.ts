/** What git processes are told unless the command at hand says otherwise: they start nothing by themselves, and what they write is durable. */
const defaultConfig: readonly (readonly [key: string, value: string])[] = [
  ['core.fsync', 'all'],
  // Each by name, because a repository's own config could otherwise allow one of them again.
  ...['', 'ext.', 'file.', 'git.', 'http.', 'https.', 'ssh.'].map(
    (name) => [`protocol.${name}allow`, 'never'] as const,
  ),
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
];

/**
 * What every git process is told, over anything that a command or the repository's own config says:
 * nothing runs code (hooks, file-system monitors). Directories belong to whoever mounted the
 * volume, so ownership is not checked (safe.directory).
 */
const forcedConfig: readonly (readonly [key: string, value: string])[] = [
  ['safe.directory', '*'],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  // Would run the program that `gpg.program` names.
  ['log.showSignature', 'false'],
];

/** Neither the config of the system nor that of a user. */
const noConfigFiles: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

/**
 * The whole environment of a git process (git(1), "ENVIRONMENT VARIABLES"). Nothing is inherited
 * but PATH, so no `GIT_*` variable of the server and no locale reaches it, and user config only where
 * `configFiles` says where it is.
 */
export function gitEnvironment(
  gitDir: string,
  config: Readonly<Record<string, string>> = {},
  extra: Readonly<Record<string, string>> = {},
  options: {
    readonly runHooks?: boolean;
    readonly configFiles?: Readonly<Record<string, string>> | undefined;
  } = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_DIR: gitDir,
    ...(options.configFiles ?? noConfigFiles),
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_PROTOCOL_FROM_USER: '0',
  };
  const forced =
    options.runHooks === true ? forcedConfig.filter(([key]) => key !== 'core.hooksPath') : forcedConfig;
  const entries = [...defaultConfig, ...Object.entries(config), ...forced];
  environment['GIT_CONFIG_COUNT'] = String(entries.length);
  entries.forEach(([key, value], index) => {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return Object.assign(environment, extra);
}
