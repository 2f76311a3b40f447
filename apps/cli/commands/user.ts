import type { Command } from 'commander';
import type { Page } from '../client.ts';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { formatTime, printTable } from '../table.ts';
import { newPassword, print } from '../terminal.ts';

interface User {
  readonly login: string;
  readonly email: string | null;
  readonly isAdmin: boolean;
  readonly createdAt: string;
}

const fields = 'login email isAdmin createdAt';

export const createUser = `mutation CreateUser($input: CreateUserInput!) {
  createUser(input: $input) { ${fields} }
}`;

export const setPassword = `mutation SetPassword($input: SetPasswordInput!) {
  setPassword(input: $input) { ${fields} }
}`;

export const listUsers = `query ListUsers($after: String) {
  users(first: 100, after: $after) { nodes { ${fields} } pageInfo { endCursor hasNextPage } }
}`;

interface CreateOptions extends CommonOptions {
  readonly email: string;
  readonly passwordStdin?: boolean;
  readonly admin?: boolean;
}

async function create(login: string, options: CreateOptions): Promise<void> {
  const client = await connect(options);
  const password = await newPassword(options.passwordStdin === true);
  const input = { login, email: options.email, password, isAdmin: options.admin === true };
  const { createUser: user } = await client.ask<{ createUser: User }>(createUser, { input });
  output(options, user, () =>
    print(`Created ${user.isAdmin ? 'the administrator' : 'the user'} ${user.login}.`),
  );
}

async function password(
  login: string,
  options: CommonOptions & { readonly passwordStdin?: boolean },
): Promise<void> {
  const client = await connect(options);
  const secret = await newPassword(options.passwordStdin === true);
  const { setPassword: user } = await client.ask<{ setPassword: User }>(setPassword, {
    input: { login, password: secret },
  });
  output(options, user, () => print(`Changed the password of ${user.login}.`));
}

async function list(options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const users = await client.all<User>(listUsers, (data: Record<string, Page<User>>) => data['users']);
  output(options, users, () =>
    printTable(
      ['LOGIN', 'EMAIL', 'ADMIN', 'CREATED'],
      users.map((user) => [
        user.login,
        user.email ?? '',
        user.isAdmin ? 'yes' : 'no',
        formatTime(user.createdAt),
      ]),
      'There are no users yet. Create one with: packhorse user create LOGIN --email ADDRESS',
    ),
  );
}

export function userCommands(): Command {
  return group('user', 'people who may sign in and push', [
    clientCommand('create', 'create a user')
      .argument('<login>')
      .requiredOption('--email <address>', 'email address')
      .option('--password-stdin', 'read the password from the first line of standard input')
      .option('--admin', 'make the user an administrator')
      .action(create),
    clientCommand('password', 'set the password of a user')
      .argument('<login>')
      .option('--password-stdin', 'read the password from the first line of standard input')
      .action(password),
    clientCommand('list', 'list all users').action(list),
  ]);
}
