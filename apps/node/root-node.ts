import { readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { anonymous } from '#accounts';
import { PackhorseError } from '#base';
import { RootGitGateway } from '#gateway';
import { createDaemonServer } from '#daemon';
import { createHttpServer, noCacheHeaders } from '#http';
import { createSshServer, loadOrCreateHostKeys } from '#ssh';
import { AuthorizedKeys } from './authorized-keys.ts';
import type { NodeContext } from './node-context.ts';
import { authority, Doors, type DoorUrls, RunningNode } from './running-node.ts';

/** A node that serves a plain directory of repositories: no accounts, no database, no web. */
export async function startRootNode(context: NodeContext, rootOption: string): Promise<RunningNode> {
  await using opening = new AsyncDisposableStack();
  const { options, settings, log, metrics, pools, limits, session } = context;
  opening.defer(context.close);
  const root = await realRoot(rootOption);
  const { anonymousPush, exportAll } = options;
  const git = new RootGitGateway(
    { root, rootName: resolve(rootOption), anonymousPush, exportAll },
    pools,
    limits,
    session,
  );
  const doors = opening.use(new Doors(settings.node.drainTimeoutMs));
  const http = createHttpServer({
    git,
    authenticator: undefined,
    files: git,
    settings: settings.http,
    proxies: options.trustedProxies,
    log,
    fallback: (_request, response) => {
      response.writeHead(404, { ...noCacheHeaders, 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('This server answers Git clients only: clone a repository from here.\n');
    },
    metrics,
  });
  const { host, httpPort, sshPort, gitPort, authorizedKeys } = options;
  const urls: Mutable<DoorUrls> = {
    http: `http://${authority(host, await doors.open(http, host, httpPort))}`,
  };
  if (authorizedKeys !== undefined) {
    const ssh = await createRootSsh(context, git, authorizedKeys);
    urls.ssh = `ssh://${authority(host, await doors.open(ssh, host, sshPort))}`;
  }
  if (gitPort !== undefined) {
    const { informativeErrors, interpolatedPath } = options;
    const daemon = createDaemonServer({
      git,
      informativeErrors,
      ...(interpolatedPath !== undefined && { interpolatedPath }),
      settings: settings.daemon,
      log,
      metrics,
    });
    urls.git = `git://${authority(host, await doors.open(daemon, host, gitPort))}`;
  }
  return new RunningNode(urls, opening.move());
}

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

async function realRoot(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new PackhorseError('invalid_argument', '--root must name a directory that exists.', {
      cause,
      metadata: { path },
    });
  }
}

async function createRootSsh(
  context: NodeContext,
  git: RootGitGateway,
  keysPath: string,
): Promise<ReturnType<typeof createSshServer>> {
  const { options, settings, log, metrics, clock } = context;
  const keys = new AuthorizedKeys(() => readFile(keysPath, 'utf8'), clock);
  return createSshServer({
    git,
    authenticateKey: async (key, remoteAddress) => {
      const verdict = await keys.judge(key, remoteAddress);
      if (verdict.kind === 'refused')
        log.warn('an authorized key is refused', { remoteAddress, reason: verdict.reason });
      return verdict.kind === 'allowed' ? anonymous : undefined;
    },
    hostKeys: await loadOrCreateHostKeys(join(resolve(options.dataDir), 'ssh')),
    settings: settings.ssh,
    saysAsGit: true,
    log,
    metrics,
  });
}
