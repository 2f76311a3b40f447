import { gitFailure } from './process/git-runner.ts';
import type { ConfigValues, RepositoryConfig } from './repository-config.ts';
import type { Storage } from './storage.ts';

/** Formats that git makes by itself; all others are commands of the repository's configuration. */
const ownFormats = new Set(['tgz', 'tar.gz']);
/** Would be run for `$Format:%G?$` in a file with the attribute `export-subst`. */
const signaturePrograms = ['gpg.program', 'gpg.openpgp.program', 'gpg.x509.program', 'gpg.ssh.program'];

/**
 * Runs `git upload-archive` on `request`, encoded arguments that were read to their end, and gives
 * what it answers, as fast as that is taken. Git restricts what a remote client may ask for
 * (`uploadarchive.allowUnreachable`). Throws `unavailable` when too many archives are being made,
 * and `internal` when git fails without a word; with one it is in the answer.
 */
export async function* uploadArchive(
  storage: Storage,
  repository: { readonly gitDir: string; readonly config: RepositoryConfig },
  request: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { gitDir } = repository;
  using _lease = await storage.archivers.acquire(signal);
  const config = withoutCommands(await repository.config.values());
  await using running = storage.git.start(
    {
      gitDir,
      args: ['upload-archive', gitDir],
      config,
      configFiles: storage.operatorConfig?.environment,
      signal,
    },
    { stdin: 'pipe', stdout: 'pipe' },
  );
  running.stdin.end(request);
  let hasAnswered = false;
  for await (const chunk of running.output()) {
    hasAnswered = true;
    yield chunk;
  }
  const exit = await running.exit;
  if (exit.stopped !== undefined || (!hasAnswered && exit.code !== 0))
    throw gitFailure('upload-archive', exit);
  if (exit.code !== 0) storage.log.info('an archive was refused', { stderr: exit.stderr.slice(-500) });
}

/**
 * What a repository's configuration would run while an archive is made is switched off: commands
 * that compress it, filters that change files, programs that check signatures.
 */
function withoutCommands(config: ConfigValues): Record<string, string> {
  const entries: [key: string, value: string][] = signaturePrograms.map((key) => [key, 'false']);
  entries.push(
    ...[...ownFormats].map((name): [string, string] => [`tar.${name}.command`, 'git archive gzip']),
  );
  for (const [key] of config.below('tar.')) {
    const name = /^tar\.(.+)\.(?:command|remote)$/s.exec(key)?.[1];
    if (name !== undefined && !ownFormats.has(name)) entries.push([`tar.${name}.remote`, 'false']);
  }
  for (const [key] of config.below('filter.')) {
    const name = /^filter\.(.+)\.(?:clean|smudge|process|required)$/s.exec(key)?.[1];
    if (name === undefined) continue;
    entries.push(
      [`filter.${name}.smudge`, ''],
      [`filter.${name}.process`, ''],
      [`filter.${name}.required`, 'false'],
    );
  }
  return Object.fromEntries(entries);
}
