import { chmodSync, writeFileSync } from 'node:fs';
import fs from 'node:fs';
import { join } from 'node:path';
import * as isomorphic from 'isomorphic-git';
import isomorphicHttp from 'isomorphic-git/http/node';
import nodegit from 'nodegit';
import type { Door, Remote } from '#test/doors';
import { cleanEnvironment } from '#test/git';
import type { Person } from '#test/packhorse';
import { runChecked } from '#test/processes';
import { temporaryDirectory } from '#test/temporary';

/** Git clients other than git itself, each by what it calls its own. All fail by throwing. */
export interface OtherClient {
  readonly name: string;
  readonly doors: readonly Door['name'][];
  clone(remote: Remote, path: string, person: Person): Promise<void>;
  /** Updates `refs/remotes/origin/*`. */
  fetch(remote: Remote, path: string, person: Person): Promise<void>;
  /** Pushes `refs/heads/main` to `refs/heads/<branch>`. */
  push(remote: Remote, path: string, branch: string, person: Person): Promise<void>;
}

/** Credentials apart from the URL, for libraries that ask for them. */
function withoutCredentials(remote: Remote): string {
  const url = new URL(remote.url);
  url.username = url.protocol === 'ssh:' ? url.username : '';
  url.password = '';
  return url.href;
}

const isomorphicGit: OtherClient = {
  name: 'isomorphic-git',
  doors: ['http'],
  async clone(remote, dir, person) {
    await isomorphic.clone({ ...common(dir, person), url: withoutCredentials(remote), noCheckout: true });
  },
  async fetch(remote, dir, person) {
    await isomorphic.fetch({ ...common(dir, person), url: withoutCredentials(remote), remote: 'origin' });
  },
  async push(remote, dir, branch, person) {
    const url = withoutCredentials(remote);
    const result = await isomorphic.push({
      ...common(dir, person),
      url,
      ref: 'main',
      remoteRef: `refs/heads/${branch}`,
    });
    if (!result.ok) throw new Error(`isomorphic-git: ${JSON.stringify(result)}`);
  },
};

function common(dir: string, person: Person) {
  const onAuth = (): { username: string; password: string } => ({
    username: person.login,
    password: person.token,
  });
  // Without this it asks the same wrong question for ever.
  const onAuthFailure = (): { cancel: boolean } => ({ cancel: true });
  return { fs, http: isomorphicHttp, dir, onAuth, onAuthFailure };
}

const libgit2: OtherClient = {
  name: 'libgit2 (nodegit)',
  doors: ['http', 'ssh'],
  async clone(remote, path, person) {
    await nodegit.Clone(withoutCredentials(remote), path, { fetchOpts: { callbacks: callbacks(person) } });
  },
  async fetch(_remote, path, person) {
    const repository = await nodegit.Repository.open(path);
    const origin = await repository.getRemote('origin');
    await origin.fetch([], { callbacks: callbacks(person) }, 'fetch');
  },
  async push(_remote, path, branch, person) {
    const repository = await nodegit.Repository.open(path);
    const origin = await repository.getRemote('origin');
    await origin.push([`refs/heads/main:refs/heads/${branch}`], { callbacks: callbacks(person) });
  },
};

function callbacks(person: Person): nodegit.RemoteCallbacks {
  let asked = 0;
  const credentials = (url: string, user: string): nodegit.Cred => {
    asked += 1;
    // libgit2 asks again and again for as long as it gets an answer.
    if (asked > 2) throw new Error(`libgit2 asked ${asked} times for credentials for ${url}`);
    const { privateKeyPath } = person.key;
    return url.startsWith('ssh:')
      ? nodegit.Cred.sshKeyNew(user, `${privateKeyPath}.pub`, privateKeyPath, '')
      : nodegit.Cred.userpassPlaintextNew(person.login, person.token);
  };
  return {
    credentials,
    certificateCheck: () => 0,
    pushUpdateReference: (ref: string, status: string | null): void => {
      if (status !== null && status !== undefined) throw new Error(`libgit2: ${ref} was refused: ${status}`);
    },
  } as nodegit.RemoteCallbacks;
}

/** Debian's `jgit` starts only with libraries that its package depends on but does not put on the class path. */
const jgitClassPath = '/usr/share/java/*';

/** Without a terminal JGit takes passwords from ~/.netrc, which it looks for where Java thinks home is. */
async function jgit(
  args: readonly string[],
  remote: Remote,
  person: Person,
  path: string | undefined,
): Promise<void> {
  const home = temporaryDirectory('jgit-home');
  const { hostname } = new URL(remote.url);
  writeFileSync(
    join(home, '.netrc'),
    `machine ${hostname} login ${person.login} password ${person.token}\n`,
    { mode: 0o600 },
  );
  const ssh = remote.env['GIT_SSH_COMMAND'];
  const java = ['-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true', `-Duser.home=${home}`];
  const env = cleanEnvironment({
    JGIT_CLASSPATH: jgitClassPath,
    JAVA_TOOL_OPTIONS: java.join(' '),
    ...(ssh !== undefined && { GIT_SSH: sshProgram(ssh) }),
  });
  await runChecked('jgit', args, { cwd: path ?? home, env });
}

/** JGit wants one program instead of a command line. */
function sshProgram(command: string): string {
  const path = join(temporaryDirectory('ssh-program'), 'ssh');
  writeFileSync(path, `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

const jgitCli: OtherClient = {
  name: 'JGit',
  doors: ['http', 'ssh'],
  clone: (remote, path, person) =>
    jgit(['clone', withoutCredentials(remote), path], remote, person, undefined),
  fetch: (remote, path, person) => jgit(['fetch', 'origin'], remote, person, path),
  push: (remote, path, branch, person) =>
    jgit(['push', 'origin', `refs/heads/main:refs/heads/${branch}`], remote, person, path),
};

const dulwichProgram = `
import sys
from urllib.parse import urlparse
from dulwich import porcelain
verb, url, path, *rest = sys.argv[1:]
streams = {'errstream': sys.stderr.buffer}
parsed = urlparse(url)
login = {'username': parsed.username, 'password': parsed.password} if parsed.scheme == 'http' else {}
if verb == 'clone':
    porcelain.clone(url, path, checkout=False, **streams)
elif verb == 'fetch':
    porcelain.fetch(path, 'origin', **streams, **login)
else:
    refspec = 'refs/heads/main:refs/heads/' + rest[0]
    porcelain.push(path, url, [refspec], outstream=sys.stdout.buffer, **streams)
`;

/** The machine's own Python: that is the one which Debian's packages belong to. */
async function dulwich(args: readonly string[], remote: Remote): Promise<void> {
  await runChecked('/usr/bin/python3', ['-c', dulwichProgram, ...args], {
    env: cleanEnvironment(remote.env),
  });
}

const dulwichClient: OtherClient = {
  name: 'dulwich',
  doors: ['http', 'ssh'],
  clone: (remote, path) => dulwich(['clone', remote.url, path], remote),
  fetch: (remote, path) => dulwich(['fetch', remote.url, path], remote),
  push: (remote, path, branch) => dulwich(['push', remote.url, path, branch], remote),
};

export const otherClients: readonly OtherClient[] = [isomorphicGit, libgit2, jgitCli, dulwichClient];
