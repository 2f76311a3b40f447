import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment, git } from '#test/git';
import { freePort } from '#test/ports';
import { runChecked, startProcess, type RunningProcess } from '#test/processes';
import { KnownHosts, newSshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';
import { waitUntil } from '#test/wait';
import type { Contestant } from './contestant.ts';
import { copyRepository } from './repository.ts';

/** The servers that people use today, each as its documentation sets it up for speed. */

/** A directory with the measured repository in it and room for more. */
async function servedDirectory(repository: string): Promise<ServedDirectory> {
  const root = temporaryDirectory('bench-served');
  let count = 0;
  const create = async (source?: string, name = `repository-${(count += 1)}.git`): Promise<string> => {
    const path = join(root, name);
    if (source === undefined) await git(['init', '--quiet', '--bare', path]);
    else copyRepository(source, path);
    await git(['config', 'http.receivepack', 'true'], { cwd: path });
    await git(['config', 'uploadpack.allowFilter', 'true'], { cwd: path });
    return name;
  };
  await create(repository, 'big.git');
  return { root, create };
}

interface ServedDirectory {
  readonly root: string;
  /** Makes a repository; returns its name. */
  readonly create: (source?: string) => Promise<string>;
}

/** Waits until somebody listens; fails with what the program said when it ended instead. */
async function listening(port: number, running: RunningProcess): Promise<void> {
  let ended = false;
  void running.exited.then(() => (ended = true));
  await waitUntil(`something listens on port ${port}`, async () => {
    if (ended)
      throw new Error(`a server of the comparison ended at once:\n${running.stderr}${running.stdout}`);
    return accepts(port);
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const nginxConfig = (directory: string, root: string, port: number): string => `
user ${userInfo().username};
daemon off;
worker_processes 2;
error_log stderr warn;
pid ${directory}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port} backlog=512;
    location / {
      fastcgi_pass unix:${directory}/fcgi.sock;
      fastcgi_buffering off;
      fastcgi_request_buffering off;
      fastcgi_read_timeout 3600s;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param GIT_PROJECT_ROOT ${root};
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param REMOTE_ADDR $remote_addr;
    }
  }
}
`;

/** nginx, fcgiwrap with one worker for each connection of the benchmark, and git http-backend. */
export async function startHttpBackend(repository: string): Promise<Contestant> {
  const { root, create } = await servedDirectory(repository);
  const directory = temporaryDirectory('bench-nginx');
  const port = await freePort();
  writeFileSync(join(directory, 'nginx.conf'), nginxConfig(directory, root, port));
  const env = cleanEnvironment();
  const wrap = startProcess('fcgiwrap', ['-c', '8', '-s', `unix:${directory}/fcgi.sock`], { env });
  await waitUntil('fcgiwrap listens', () => existsSync(join(directory, 'fcgi.sock')));
  const nginx = startProcess(
    'nginx',
    ['-p', directory, '-e', 'stderr', '-c', join(directory, 'nginx.conf')],
    { env },
  );
  await listening(port, nginx);
  const base = `http://127.0.0.1:${port}`;
  return {
    name: 'nginx + http-backend',
    transport: 'http',
    isBaseline: true,
    isOurs: false,
    pids: [nginx.pid, wrap.pid],
    url: `${base}/big.git`,
    env: {},
    create: async (source) => `${base}/${await create(source)}`,
    [Symbol.asyncDispose]: async () => {
      await nginx.stop();
      await wrap.killGroup();
    },
  };
}

export async function startGitDaemon(repository: string): Promise<Contestant> {
  const { root, create } = await servedDirectory(repository);
  const port = await freePort();
  const options = [
    '--listen=127.0.0.1',
    `--port=${port}`,
    '--export-all',
    '--enable=receive-pack',
    '--reuseaddr',
  ];
  const daemon = startProcess('git', ['daemon', ...options, `--base-path=${root}`, root], {
    env: cleanEnvironment(),
  });
  await listening(port, daemon);
  const base = `git://127.0.0.1:${port}`;
  return {
    name: 'git daemon',
    transport: 'git',
    isBaseline: false,
    isOurs: false,
    pids: [daemon.pid],
    url: `${base}/big.git`,
    env: {},
    create: async (source) => `${base}/${await create(source)}`,
    [Symbol.asyncDispose]: () => daemon.killGroup(),
  };
}

const sshdConfig = (directory: string, port: number): string => `
ListenAddress 127.0.0.1
Port ${port}
HostKey ${directory}/host_key
AuthorizedKeysFile ${directory}/authorized_keys
PidFile none
StrictModes no
UsePAM ${process.getuid?.() === 0 ? 'yes' : 'no'}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv GIT_PROTOCOL
PrintMotd no
UseDNS no
MaxStartups 100
ForceCommand git-shell -c "$SSH_ORIGINAL_COMMAND"
`;

/** OpenSSH's sshd as the current user, allowed to run git-shell and nothing else. */
export async function startOpenSsh(repository: string): Promise<Contestant> {
  const { root, create } = await servedDirectory(repository);
  const directory = temporaryDirectory('bench-sshd');
  const port = await freePort();
  const key = await newSshKey();
  writeFileSync(join(directory, 'authorized_keys'), `${key.publicKey}\n`, { mode: 0o600 });
  await runChecked('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'host_key')]);
  writeFileSync(join(directory, 'sshd_config'), sshdConfig(directory, port));
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const sshd = startProcess('/usr/sbin/sshd', ['-D', '-e', '-f', join(directory, 'sshd_config')], {
    env: cleanEnvironment(),
  });
  await listening(port, sshd);
  const known = await KnownHosts.scan('127.0.0.1', port);
  const base = `ssh://${userInfo().username}@127.0.0.1:${port}${root}`;
  return {
    name: 'OpenSSH + git-shell',
    transport: 'ssh',
    isBaseline: true,
    isOurs: false,
    pids: [sshd.pid],
    url: `${base}/big.git`,
    env: known.gitEnvironment(key),
    create: async (source) => `${base}/${await create(source)}`,
    [Symbol.asyncDispose]: async () => void (await sshd.stop()),
  };
}
