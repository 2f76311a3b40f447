import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChecked } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';

/** The real OpenSSH client, with keys and known hosts of its own. */

export type KeyType = 'ed25519' | 'rsa' | 'ecdsa';

export interface SshKey {
  readonly privateKeyPath: string;
  /** One authorized_keys line. */
  readonly publicKey: string;
}

/** A new key pair, made by ssh-keygen. */
export async function newSshKey(type: KeyType = 'ed25519'): Promise<SshKey> {
  const privateKeyPath = join(temporaryDirectory('key'), `id_${type}`);
  const bits = type === 'rsa' ? ['-b', '2048'] : [];
  await runChecked('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...bits,
    '-N',
    '',
    '-C',
    'test@example.org',
    '-f',
    privateKeyPath,
  ]);
  return { privateKeyPath, publicKey: readFileSync(`${privateKeyPath}.pub`, 'utf8').trim() };
}

/** The name under which the server's host key is known, whatever port it listens on. */
const hostAlias = 'packhorse.test';

/** What the client trusts: the host keys that a server shows now, as a person would confirm them at the first visit. */
export class KnownHosts {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async scan(host: string, port: number): Promise<KnownHosts> {
    const shown = await runChecked('ssh-keyscan', ['-T', '20', '-p', String(port), host]);
    const keys = shown.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    if (keys.length === 0) throw new Error(`no SSH host key was shown at ${host}:${port}`);
    const path = join(temporaryDirectory('known-hosts'), 'known_hosts');
    writeFileSync(path, keys.map((line) => `${hostAlias} ${line.split(' ').slice(1).join(' ')}\n`).join(''));
    return new KnownHosts(path);
  }

  /** Arguments of an ssh client that trusts only these hosts and offers only `key`. */
  sshArguments(key: SshKey | undefined): string[] {
    const options = [
      'BatchMode=yes',
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${this.path}`,
      'GlobalKnownHostsFile=/dev/null',
      `HostKeyAlias=${hostAlias}`,
      'IdentityAgent=none',
      'IdentitiesOnly=yes',
      'UpdateHostKeys=no',
      'ConnectTimeout=20',
    ].flatMap((option) => ['-o', option]);
    return ['-F', 'none', ...options, ...(key === undefined ? [] : ['-i', key.privateKeyPath])];
  }

  /** The environment with which git uses that client. Temporary paths have no character that a shell would change. */
  gitEnvironment(key: SshKey | undefined): Record<string, string> {
    return { GIT_SSH_COMMAND: ['ssh', ...this.sshArguments(key)].join(' '), GIT_SSH_VARIANT: 'ssh' };
  }
}
