import type { Command } from 'commander';
import { clientCommand, connect, group, output, type CommonOptions } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { formatTime, printTable } from '../table.ts';
import { print, printable, readInput } from '../terminal.ts';

interface Key {
  readonly id: string;
  readonly title: string;
  readonly algorithm: string;
  readonly fingerprint: string;
  readonly createdAt: string;
}

const fields = 'id title algorithm fingerprint createdAt';

export const addKey = `mutation AddKey($input: AddKeyInput!) { addKey(input: $input) { ${fields} } }`;

export const listKeys = `query ListKeys($login: String!) { user(login: $login) { keys { ${fields} } } }`;

export const removeKey = `mutation RemoveKey($input: RemoveKeyInput!) { removeKey(input: $input) }`;

async function add(login: string, options: CommonOptions & { readonly title?: string }): Promise<void> {
  const client = await connect(options);
  const lines = (await readInput('public key'))
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const [publicKey, ...others] = lines;
  if (publicKey?.startsWith('-----BEGIN') === true) {
    throw usageError('This is not the public half of an SSH key: use the file that ends in ".pub".');
  }
  if (others.length > 0) throw usageError('Standard input has several keys: add them one at a time.');
  const { addKey: key } = await client.ask<{ addKey: Key }>(addKey, {
    input: { login, publicKey, title: options.title },
  });
  output(options, key, () => print(`Added ${key.fingerprint} (${printable(key.title)}) to ${login}.`));
}

async function list(login: string, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const { user } = await client.ask<{ user: { keys: readonly Key[] | null } | null }>(listKeys, { login });
  if (user === null) throw new CliError('not_found', `There is no user "${login}".`);
  const { keys } = user;
  if (keys === null) {
    throw new CliError('permission_denied', `The keys of ${login} are not for you to see.`);
  }
  output(options, keys, () =>
    printTable(
      ['ID', 'TITLE', 'ALGORITHM', 'FINGERPRINT', 'CREATED'],
      keys.map((key) => [key.id, key.title, key.algorithm, key.fingerprint, formatTime(key.createdAt)]),
      `${login} has no keys. Add one with: packhorse key add ${login} < ~/.ssh/id_ed25519.pub`,
    ),
  );
}

async function remove(login: string, id: string, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  await client.ask(removeKey, { input: { login, id } });
  output(options, { id }, () => print(`Removed the key ${id} of ${login}.`));
}

export function keyCommands(): Command {
  return group('key', 'SSH keys', [
    clientCommand('add', 'add the public key on standard input: packhorse key add LOGIN < id.pub')
      .argument('<login>')
      .option('--title <title>', 'what it is called (the comment of the key)')
      .action(add),
    clientCommand('list', 'list the keys of a user').argument('<login>').action(list),
    clientCommand('remove', 'remove a key')
      .argument('<login>')
      .argument('<id>', 'as in "key list"')
      .action(remove),
  ]);
}
