/** What would point a git process at another repository (git-rev-parse, --local-env-vars). */
const repositoryVariables = new Set([
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_CONFIG',
  'GIT_CONFIG_COUNT',
  'GIT_CONFIG_PARAMETERS',
  'GIT_GRAFT_FILE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_QUARANTINE_PATH',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
]);

/**
 * The environment of a hook (githooks): what the server was started with, as from git's own
 * receive-pack, without the server's own settings, which may hold passwords. `extra` comes last.
 */
export function hookEnvironment(
  execPath: string,
  extra: Readonly<Record<string, string>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || name.startsWith('PACKHORSE_') || repositoryVariables.has(name)) continue;
    environment[name] = value;
  }
  environment['PATH'] = `${execPath}:${environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`;
  environment['GIT_DIR'] = '.';
  return Object.assign(environment, extra);
}
