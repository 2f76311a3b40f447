import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { parseRepositoryName, type RepositoryName } from '../arguments.ts';
import type { Client } from '../client.ts';
import { clientCommand, connect, output, type CommonOptions } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { followJob, type StartedJob } from '../job.ts';
import { formatSize } from '../table.ts';
import { print, say } from '../terminal.ts';
import {
  createRepository,
  detailsJson,
  findRepository,
  importRepository,
  repositoryDetails,
  type RepositoryDetails,
} from './repo-documents.ts';

interface ImportOptions extends CommonOptions {
  readonly private?: boolean;
  readonly description?: string;
}

/**
 * The source as the server takes it: an absolute path or a URL. Throws a usage error for what no
 * server could read, and for a path that is not there when the server is on this machine.
 */
export function importSource(text: string, isLocal: boolean): string {
  if (/^file:\/\//i.test(text)) return importSource(fileURLToPath(text), isLocal);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text;
  // As git reads it: a colon before the first slash is a host, unless there is such a path.
  if (/^[^/]+:/.test(text) && !existsSync(text)) {
    throw usageError('Over SSH nothing can be imported: give an http(s) or git URL, or a path.');
  }
  const path = resolve(text);
  if (isLocal && !existsSync(path)) throw usageError(`There is no ${path} to import.`);
  return path;
}

/** Creates the repository when it is missing. Returns whether it did. */
async function ensureRepository(
  client: Client,
  repository: RepositoryName,
  options: ImportOptions,
): Promise<boolean> {
  try {
    await client.ask(findRepository, repository);
    return false;
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.code !== 'not_found') throw thrown;
  }
  const visibility = options.private === true ? 'PRIVATE' : 'PUBLIC';
  await client.ask(createRepository, {
    input: { ...repository, visibility, description: options.description },
  });
  return true;
}

async function importInto(
  sourceText: string,
  repository: RepositoryName,
  options: ImportOptions,
): Promise<void> {
  const client = await connect(options);
  const source = importSource(sourceText, client.connection.isLocal);
  const fullName = `${repository.owner}/${repository.name}`;
  const isNew = await ensureRepository(client, repository, options);
  if (isNew) say(`Created ${fullName}.`);
  try {
    const { importRepository: job } = await client.ask<{ importRepository: StartedJob }>(importRepository, {
      input: { ...repository, source },
    });
    await followJob(client, job, 'import');
  } catch (thrown) {
    if (!isNew || !(thrown instanceof CliError)) throw thrown;
    throw new CliError(
      thrown.code,
      `${thrown.message} (${fullName} stays as it was created: import again, or delete it.)`,
      thrown,
    );
  }
  const { repository: details } = await client.ask<{ repository: RepositoryDetails }>(
    repositoryDetails,
    repository,
  );
  output(options, detailsJson(details), () => {
    const { refs, sizeBytes } = details.facts;
    print(`Imported ${fullName}: ${refs} refs, ${formatSize(sizeBytes)}.`);
  });
}

export function importCommand(): Command {
  return clientCommand('import', 'copy all refs and objects of another repository')
    .argument('<source>', 'a path on the server, or an http(s) or git URL')
    .argument('<owner/name>', 'a repository that is empty; created when it is missing', parseRepositoryName)
    .option('--private', 'when it is created: only for its owner and collaborators')
    .option('--description <text>', 'when it is created: one line about it')
    .action(importInto);
}
