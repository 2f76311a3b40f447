import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpUrl, sshUrl } from '#test/doors';
import { git } from '#test/git';
import { Packhorse } from '#test/packhorse';
import { newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import type { Contestant } from './contestant.ts';
import { copyRepository, fillRepository } from './repository.ts';

/** Packhorse over a plain directory, through both doors: the same job as the comparators do. */
export async function startOverDirectory(repository: string): Promise<readonly Contestant[]> {
  const root = temporaryDirectory('bench-root');
  const key = await newSshKey();
  const authorizedKeys = join(temporaryDirectory('bench-keys'), 'authorized_keys');
  writeFileSync(authorizedKeys, `${key.publicKey}\n`);
  const packhorse = await Packhorse.start({ root, anonymousPush: true, authorizedKeys });
  const known = await packhorse.knownHosts();
  let count = 0;
  const create = async (source?: string, name = `repository-${(count += 1)}.git`): Promise<string> => {
    const path = join(root, name);
    if (source === undefined) await git(['init', '--quiet', '--bare', path]);
    else copyRepository(source, path);
    await git(['config', 'uploadpack.allowFilter', 'true'], { cwd: path });
    return name;
  };
  await create(repository, 'big.git');
  const common = { isBaseline: false, isOurs: true, pids: [packhorse.pid] };
  return [
    {
      ...common,
      name: 'packhorse --root',
      transport: 'http',
      url: `${packhorse.httpUrl}/big.git`,
      env: {},
      create: async (source) => `${packhorse.httpUrl}/${await create(source)}`,
      [Symbol.asyncDispose]: () => packhorse[Symbol.asyncDispose](),
    },
    {
      ...common,
      name: 'packhorse --root',
      transport: 'ssh',
      url: sshUrl(packhorse, 'big.git'),
      env: known.gitEnvironment(key),
      create: async (source) => sshUrl(packhorse, await create(source)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  ];
}

/** Packhorse with accounts and its database: every request is authenticated and authorised. */
export async function startWithAccounts(repository: string): Promise<readonly Contestant[]> {
  const packhorse = await Packhorse.start();
  const person = await packhorse.createPerson('bench');
  const known = await packhorse.knownHosts();
  let count = 0;
  // What is on disk is put there as it is: an import would pack it anew.
  const create = async (source?: string, name = `bench/repository-${(count += 1)}`): Promise<string> => {
    await packhorse.createRepository(name, { private: true });
    if (source !== undefined) fillRepository(source, await packhorse.repositoryPath(name));
    return `${name}.git`;
  };
  await create(repository, 'bench/big');
  const overHttp = (path: string): string => httpUrl(packhorse, person.login, person.token, path);
  const common = { name: 'packhorse, accounts', isBaseline: false, isOurs: true, pids: [packhorse.pid] };
  return [
    {
      ...common,
      transport: 'http',
      url: overHttp('bench/big.git'),
      env: {},
      create: async (source) => overHttp(await create(source)),
      [Symbol.asyncDispose]: () => packhorse[Symbol.asyncDispose](),
    },
    {
      ...common,
      transport: 'ssh',
      url: sshUrl(packhorse, 'bench/big.git'),
      env: known.gitEnvironment(person.key),
      create: async (source) => sshUrl(packhorse, await create(source)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  ];
}
