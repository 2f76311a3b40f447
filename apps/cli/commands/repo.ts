import { InvalidArgumentError, type Command } from 'commander';
import { parseRepositoryName, type RepositoryName } from '../arguments.ts';
import type { Page } from '../client.ts';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { usageError } from '../errors.ts';
import { followJob, type StartedJob } from '../job.ts';
import { formatSize, formatTime, printFields, printTable } from '../table.ts';
import { canAsk, confirm, print, printable, say } from '../terminal.ts';
import {
  createRepository,
  deleteRepository,
  detailsJson,
  grantRole,
  listRepositories,
  maintainRepository,
  repositoryDetails,
  summaryJson,
  updateRepository,
  verifyRepository,
  type RepositoryDetails,
  type RepositorySummary,
} from './repo-documents.ts';
import { importCommand } from './repo-import.ts';

interface CreateOptions extends CommonOptions {
  readonly private?: boolean;
  readonly description?: string;
  readonly defaultBranch?: string;
  readonly objectFormat?: string;
  readonly region?: string;
}

function printSummary(what: string, repository: RepositorySummary): void {
  print(`${what} ${repository.fullName} (${repository.visibility.toLowerCase()}).`);
  print(`  ${repository.httpUrl}`);
  if (repository.sshUrl !== null) print(`  ${repository.sshUrl}`);
}

async function create(repository: RepositoryName, options: CreateOptions): Promise<void> {
  const client = await connect(options);
  const { createRepository: created } = await client.ask<{ createRepository: RepositorySummary }>(
    createRepository,
    {
      input: {
        ...repository,
        visibility: options.private === true ? 'PRIVATE' : 'PUBLIC',
        description: options.description,
        defaultBranch: options.defaultBranch,
        objectFormat: options.objectFormat,
        region: options.region,
      },
    },
  );
  output(options, summaryJson(created), () => printSummary('Created', created));
}

async function list(options: CommonOptions & { readonly owner?: string }): Promise<void> {
  const client = await connect(options);
  const repositories = await client.all<RepositorySummary>(
    listRepositories,
    (data: Record<string, Page<RepositorySummary>>) => data['repositories'],
    { owner: options.owner },
  );
  output(options, repositories.map(summaryJson), () =>
    printTable(
      ['REPOSITORY', 'VISIBILITY', 'CREATED', 'DESCRIPTION'],
      repositories.map((repository) => [
        repository.fullName,
        repository.visibility.toLowerCase(),
        formatTime(repository.createdAt),
        repository.description,
      ]),
      'There are no repositories. Create one with: packhorse repo create OWNER/NAME',
    ),
  );
}

async function info(name: RepositoryName, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { repository } = await client.ask<{ repository: RepositoryDetails }>(repositoryDetails, name);
  output(options, detailsJson(repository), () => {
    const { head, facts } = repository;
    const { maintenance } = facts;
    const tip = head.oid === null ? 'empty' : `${head.oid.slice(0, 12)} ${head.commit?.summary ?? ''}`;
    printFields([
      ['Repository', repository.fullName],
      ['Description', repository.description],
      ['Visibility', repository.visibility.toLowerCase()],
      ['Created', formatTime(repository.createdAt)],
      ['Default branch', `${head.branch ?? '(detached)'} (${tip.trimEnd()})`],
      ['Refs', String(facts.refs)],
      ['Size', `${formatSize(facts.sizeBytes)}: ${facts.packs} packs, ${facts.looseObjects} loose objects`],
      ['Bitmap', maintenance.bitmap.toLowerCase().replace('_', '-')],
      ['Commit-graph', `${maintenance.commitsInGraph} commits, ${maintenance.commitsOutsideGraph} not in it`],
      [
        'Garbage',
        `${maintenance.garbageFiles} files, ${formatSize(maintenance.garbageBytes)}; ${maintenance.unreachableObjects} unreachable objects`,
      ],
      ['Maintained', formatTime(maintenance.lastRunAt)],
      ...(maintenance.lastFailure === null
        ? []
        : ([['Maintenance failed', maintenance.lastFailure]] as const)),
      ['Object format', repository.objectFormat.toLowerCase()],
      ['Named on disk', repository.id],
      ['HTTP', repository.httpUrl],
      ...(repository.sshUrl === null ? [] : ([['SSH', repository.sshUrl]] as const)),
    ]);
  });
}

interface EditOptions extends CommonOptions {
  readonly name?: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly public?: boolean;
  readonly defaultBranch?: string;
}

async function edit(repository: RepositoryName, options: EditOptions): Promise<void> {
  const { name: newName, description, defaultBranch } = options;
  if (options.private === true && options.public === true) {
    throw usageError('--private and --public exclude each other.');
  }
  const visibility = options.private === true ? 'PRIVATE' : options.public === true ? 'PUBLIC' : undefined;
  const change = { newName, description, defaultBranch, visibility };
  if (Object.values(change).every((value) => value === undefined)) {
    throw usageError('Say what to change: --name, --description, --private, --public or --default-branch.');
  }
  const client = await connect(options);
  const { updateRepository: changed } = await client.ask<{ updateRepository: RepositorySummary }>(
    updateRepository,
    { input: { ...repository, ...change } },
  );
  output(options, summaryJson(changed), () => printSummary('Changed', changed));
}

async function remove(
  repository: RepositoryName,
  options: CommonOptions & { readonly yes?: boolean },
): Promise<void> {
  const fullName = `${repository.owner}/${repository.name}`;
  const client = await connect(options);
  if (options.yes !== true) {
    if (!canAsk()) throw usageError('There is nobody to ask whether this is meant: use --yes.');
    if (!(await confirm(`Delete ${fullName} and everything in it? There is no way back.`))) {
      say('Nothing was deleted.');
      process.exitCode = 1;
      return;
    }
  }
  await client.ask(deleteRepository, { input: repository });
  output(options, { repository: fullName }, () => print(`Deleted ${fullName}.`));
}

const roles: Readonly<Record<string, string | null>> = {
  reader: 'READER',
  writer: 'WRITER',
  admin: 'ADMIN',
  none: null,
};

function parseRole(text: string): { readonly role: string | null } {
  const role = roles[text];
  if (role === undefined)
    throw new InvalidArgumentError(`It must be one of ${Object.keys(roles).join(', ')}.`);
  return { role };
}

interface Collaborator {
  readonly login: string;
  readonly role: string;
}

async function grant(
  repository: RepositoryName,
  login: string,
  { role }: ReturnType<typeof parseRole>,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const answer = await client.ask<{ grantRole: { collaborators: readonly Collaborator[] } }>(grantRole, {
    input: { ...repository, login, role },
  });
  const collaborators = answer.grantRole.collaborators.map((person) => ({
    login: person.login,
    role: person.role.toLowerCase(),
  }));
  output(options, collaborators, () =>
    printTable(
      ['LOGIN', 'ROLE'],
      collaborators.map((person) => [person.login, person.role]),
      `${repository.owner}/${repository.name} has no collaborators.`,
    ),
  );
}

async function verify(repository: RepositoryName, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { verifyRepository: job } = await client.ask<{ verifyRepository: StartedJob }>(verifyRepository, {
    input: repository,
  });
  const problems = await followJob(client, job, 'check');
  const fullName = `${repository.owner}/${repository.name}`;
  if (problems.length > 0) process.exitCode = 1;
  output(options, { repository: fullName, problems }, () => {
    for (const problem of problems) print(printable(problem));
    if (problems.length === 0) print(`${fullName} is sound.`);
    else say(`packhorse: ${fullName} has ${problems.length} problem(s).`);
  });
}

async function maintain(repository: RepositoryName, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { maintainRepository: job } = await client.ask<{ maintainRepository: StartedJob }>(
    maintainRepository,
    { input: repository },
  );
  await followJob(client, job, 'maintenance');
  const { repository: details } = await client.ask<{ repository: RepositoryDetails }>(
    repositoryDetails,
    repository,
  );
  output(options, detailsJson(details), () => {
    const { packs, sizeBytes } = details.facts;
    print(`Maintained ${details.fullName}: ${packs} packs, ${formatSize(sizeBytes)}.`);
  });
}

export function repoCommands(): Command {
  return group('repo', 'repositories', [
    clientCommand('create', 'create an empty repository')
      .argument('<owner/name>', 'such as ada/hello', parseRepositoryName)
      .option('--private', 'only for its owner and collaborators')
      .option('--description <text>', 'one line about it')
      .option('--default-branch <name>', 'what a clone checks out (main)')
      .option('--object-format <format>', 'sha1 or sha256 (sha1)', parseObjectFormat)
      .option('--region <region>', 'where it is to be (that of the node that answers)')
      .action(create),
    importCommand(),
    clientCommand('list', 'list the repositories that you may read')
      .option('--owner <login>', 'only those of this user')
      .action(list),
    clientCommand('info', 'tell what is known about a repository')
      .argument('<owner/name>', '', parseRepositoryName)
      .action(info),
    clientCommand('edit', 'rename a repository or change what it is')
      .argument('<owner/name>', '', parseRepositoryName)
      .option('--name <name>', 'a new name; the old one stops working')
      .option('--description <text>', 'one line about it')
      .option('--private', 'only for its owner and collaborators')
      .option('--public', 'everyone can read it')
      .option('--default-branch <name>', 'what a clone checks out')
      .action(edit),
    clientCommand('grant', 'give somebody a role on a repository, or take it away')
      .argument('<owner/name>', '', parseRepositoryName)
      .argument('<login>')
      .argument('<role>', 'reader, writer, admin or none', parseRole)
      .action(grant),
    clientCommand('verify', 'check every object and ref; exit status 1 when something is wrong')
      .argument('<owner/name>', '', parseRepositoryName)
      .action(verify),
    clientCommand('maintain', 'repack, write bitmaps and the commit-graph, and tidy up, now')
      .argument('<owner/name>', '', parseRepositoryName)
      .action(maintain),
    clientCommand('delete', 'delete a repository and everything in it')
      .argument('<owner/name>', '', parseRepositoryName)
      .option('--yes', 'do not ask')
      .action(remove),
  ]);
}

function parseObjectFormat(text: string): string {
  if (text === 'sha1' || text === 'sha256') return text.toUpperCase();
  throw new InvalidArgumentError('It must be sha1 or sha256.');
}
