import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpUrl, sshUrl } from '#test/doors';
import { git } from '#test/git';
import { Packhorse } from '#test/packhorse';
import { newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import type { Contestant } from './contestant.ts';
import { copyRepository } from './repository.ts';

/** Packhorse over a plain directory, through both doors: the same job as the comparators do. */
export async function startOverDirectory(repository: string): Promise<readonly Contestant[]> {
  const root = temporaryDirectory('bench-root');
  copyRepository(repository, join(root, 'big.git'));
  await git(['config', 'uploadpack.allowFilter', 'true'], { cwd: join(root, 'big.git') });
  const key = await newSshKey();
  const authorizedKeys = join(temporaryDirectory('bench-keys'), 'authorized_keys');
  writeFileSync(authorizedKeys, `${key.publicKey}\n`);
  const packhorse = await Packhorse.start({ root, anonymousPush: true, authorizedKeys });
  const known = await packhorse.knownHosts();
  let count = 0;
  const createEmpty = async (): Promise<string> => {
    count += 1;
    await git(['init', '--quiet', '--bare', join(root, `empty-${count}.git`)]);
    return `empty-${count}.git`;
  };
  const common = { isBaseline: false, pids: [packhorse.pid] };
  return [
    {
      ...common,
      name: 'packhorse --root',
      transport: 'http',
      url: `${packhorse.httpUrl}/big.git`,
      env: {},
      createEmpty: async () => `${packhorse.httpUrl}/${await createEmpty()}`,
      [Symbol.asyncDispose]: () => packhorse[Symbol.asyncDispose](),
    },
    {
      ...common,
      name: 'packhorse --root',
      transport: 'ssh',
      url: sshUrl(packhorse, 'big.git'),
      env: known.gitEnvironment(key),
      createEmpty: async () => sshUrl(packhorse, await createEmpty()),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  ];
}

/** Packhorse with accounts and its database: every request is authenticated and authorised. */
export async function startWithAccounts(repository: string): Promise<readonly Contestant[]> {
  const packhorse = await Packhorse.start();
  const person = await packhorse.createPerson('bench');
  const known = await packhorse.knownHosts();
  await packhorse.createRepository('bench/big', { private: true });
  await packhorse.cli(['repo', 'import', repository, 'bench/big']);
  let count = 0;
  const createEmpty = async (): Promise<string> => {
    count += 1;
    await packhorse.createRepository(`bench/empty-${count}`, { private: true });
    return `bench/empty-${count}.git`;
  };
  const overHttp = (path: string): string => httpUrl(packhorse, person.login, person.token, path);
  const common = { name: 'packhorse, accounts', isBaseline: false, pids: [packhorse.pid] };
  return [
    {
      ...common,
      transport: 'http',
      url: overHttp('bench/big.git'),
      env: {},
      createEmpty: async () => overHttp(await createEmpty()),
      [Symbol.asyncDispose]: () => packhorse[Symbol.asyncDispose](),
    },
    {
      ...common,
      transport: 'ssh',
      url: sshUrl(packhorse, 'bench/big.git'),
      env: known.gitEnvironment(person.key),
      createEmpty: async () => sshUrl(packhorse, await createEmpty()),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  ];
}
