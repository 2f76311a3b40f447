import { hostname } from 'node:os';
import type { Command } from 'commander';
import { parseExpiry, parseScopes, scopeName } from '../arguments.ts';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { CliError } from '../errors.ts';
import { formatTime, printTable } from '../table.ts';
import { print } from '../terminal.ts';

interface Token {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

const fields = 'id name scopes createdAt expiresAt lastUsedAt';

export const createToken = `mutation CreateToken($input: CreateTokenInput!) {
  createToken(input: $input) { secret token { ${fields} } }
}`;

export const listTokens = `query ListTokens($login: String!) { user(login: $login) { tokens { ${fields} } } }`;

export const revokeToken = `mutation RevokeToken($input: RevokeTokenInput!) { revokeToken(input: $input) }`;

const forPeople = (token: Token): Token => ({ ...token, scopes: token.scopes.map(scopeName) });

interface CreateOptions extends CommonOptions {
  readonly scope: readonly string[];
  readonly name: string;
  readonly expires: Date | undefined;
}

async function create(login: string, options: CreateOptions): Promise<void> {
  const client = await connect(options);
  const { createToken: created } = await client.ask<{ createToken: { secret: string; token: Token } }>(
    createToken,
    { input: { login, name: options.name, scopes: options.scope, expiresAt: options.expires } },
  );
  output(options, { token: created.secret, ...forPeople(created.token) }, () => print(created.secret));
}

async function list(login: string, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { user } = await client.ask<{ user: { tokens: readonly Token[] | null } | null }>(listTokens, {
    login,
  });
  if (user === null) throw new CliError('not_found', `There is no user "${login}".`);
  if (user.tokens === null) {
    throw new CliError('permission_denied', `The tokens of ${login} are not for you to see.`);
  }
  const tokens = user.tokens.map(forPeople);
  output(options, tokens, () =>
    printTable(
      ['ID', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED'],
      tokens.map((token) => [
        token.id,
        token.name,
        token.scopes.join(','),
        formatTime(token.createdAt),
        formatTime(token.expiresAt),
        formatTime(token.lastUsedAt),
      ]),
      `${login} has no tokens.`,
    ),
  );
}

async function revoke(login: string, id: string, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  await client.ask(revokeToken, { input: { login, id } });
  output(options, { id }, () => print(`Revoked the token ${id} of ${login}.`));
}

export function tokenCommands(): Command {
  return group('token', 'access tokens: passwords for programs', [
    clientCommand('create', 'create a token and print it; it is shown this once')
      .argument('<login>')
      .requiredOption(
        '--scope <scope>',
        'repo:read, repo:write, account or admin; may be given several times',
        parseScopes,
      )
      .option('--name <name>', 'what it is for', `cli on ${hostname()}`)
      .option('--expires <when>', 'such as 90d, 12h or 2030-12-31 (never)', (text: string) =>
        parseExpiry(text, Date.now()),
      )
      .action(create),
    clientCommand('list', 'list the tokens of a user').argument('<login>').action(list),
    clientCommand('revoke', 'make a token useless at once')
      .argument('<login>')
      .argument('<id>', 'as in "token list"')
      .action(revoke),
  ]);
}
