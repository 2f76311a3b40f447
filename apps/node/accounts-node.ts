import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAccounts } from '#accounts';
import { clusterView } from '#cluster/alone';
import { openDatabase } from '#db';
import { AccountsGitGateway, AccountsRepositoryGateway, Locator } from '#gateway';
import { openVolume } from '#git';
import { clientAddress } from '#base';
import { createGraphql } from '#graphql';
import { authenticate, createHttpServer } from '#http';
import { createSshServer, loadOrCreateHostKeys } from '#ssh';
import { createWeb } from '#web';
import { AdminAccess } from './admin-access.ts';
import { aloneWith } from './alone.ts';
import type { ClusterPart, joinCluster } from './cluster.ts';
import type { NodeContext } from './node-context.ts';
import { observation, observeVolume } from './observation.ts';
import type { NodeOptions } from './options.ts';
import { authority, Doors, RunningNode } from './running-node.ts';
import { version } from './version.ts';

/**
 * A node with accounts: opens the volume, the database and every door. What was opened is closed
 * again, in reverse order, when a later part cannot start and when the node drains.
 */
export async function startAccountsNode(context: NodeContext): Promise<RunningNode> {
  await using opening = new AsyncDisposableStack();
  const { options, settings, log, metrics, session, limits } = context;
  const dataDir = resolve(options.dataDir);
  // Everything in it is closed; it can be passed because a server that is root runs the database under another account.
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const volume = opening.use(await openVolume(join(dataDir, 'volume'), { random: context.random, log }));
  const database = opening.adopt(
    await openDatabase({ source: databaseSource(options, dataDir), settings: settings.database, log }),
    (opened) => opened.close(),
  );
  opening.defer(context.close);
  const { nats } = options;
  const cluster =
    nats === undefined ? undefined : opening.use(await joinLoaded(context, nats, { volume, database }));
  const accounts = createAccounts({
    ...context,
    database,
    settings: settings.accounts,
    changes: cluster?.changes,
  });
  const admin = new AdminAccess(dataDir, context.random);
  const authenticator = admin.extend(accounts.authenticator);
  observeVolume(metrics, volume);
  const locator = new Locator(context.pools, [volume], cluster?.peers);
  const git = new AccountsGitGateway(accounts.repositories, locator, limits, session);
  const repositories = new AccountsRepositoryGateway(accounts.repositories, locator, {
    ...context,
    importPolicy: { runner: context.runner, scratchDir: await emptyDirectory(join(dataDir, 'scratch')) },
  });
  cluster?.serve({ git, repositories, locator });

  const addresses = { http: options.publicUrl ?? '', ssh: options.publicSshUrl ?? '' };
  const graphql = createGraphql({
    accounts,
    repositories,
    settings,
    log,
    nodeInfo: () => ({
      name: options.nodeName,
      region: options.region,
      version,
      httpUrl: addresses.http,
      sshUrl: addresses.ssh,
    }),
    observe: () => observation(context),
    cluster: cluster?.view ?? clusterView(await aloneWith(volume, options)),
    authenticate: (request) =>
      authenticate(authenticator, request.headers.authorization, clientAddress(request)),
  });
  const web = opening.adopt(
    createWeb({
      accounts,
      repositories,
      settings,
      log,
      addresses: () => addresses,
      secureCookies: addresses.http.startsWith('https:'),
    }),
    (opened) => opened.close(),
  );
  const doors = opening.use(new Doors(settings.node.drainTimeoutMs));
  doors.finish(graphql);
  if (cluster !== undefined) doors.finish({ drain: () => cluster.drain(settings.node.drainTimeoutMs) });
  const http = createHttpServer({
    git,
    authenticator,
    settings: settings.http,
    proxies: options.trustedProxies,
    log,
    fallback: (request, response) => {
      const answer = request.url?.split('?', 1)[0] === '/graphql' ? graphql : web.handle;
      answer(request, response).catch((error: unknown) => {
        log.error('a page could not be answered', { error });
        response.destroy();
      });
    },
    metrics,
    health: { live: async () => undefined, ready: async () => cluster?.problem() },
  });
  const ssh = createSshServer({
    git,
    authenticateKey: (key) => accounts.authenticator.byKey(key),
    hostKeys: await loadOrCreateHostKeys(join(dataDir, 'ssh')),
    settings: settings.ssh,
    log,
    metrics,
  });
  const httpUrl = `http://${authority(options.host, await doors.open(http, options.host, options.httpPort))}`;
  const sshAuthority = authority(options.host, await doors.open(ssh, options.host, options.sshPort));
  addresses.http ||= httpUrl;
  addresses.ssh ||= `ssh://git@${sshAuthority}`;
  await admin.publish(httpUrl);
  opening.defer(() => admin.withdraw());
  return new RunningNode({ http: httpUrl, ssh: `ssh://${sshAuthority}` }, opening.move());
}

/** What only a cluster needs is loaded only there. */
async function joinLoaded(...argument: Parameters<typeof joinCluster>): Promise<ClusterPart> {
  return (await import('./cluster.ts')).joinCluster(...argument);
}

function databaseSource(options: NodeOptions, dataDir: string): Parameters<typeof openDatabase>[0]['source'] {
  const { databaseUrl } = options;
  return databaseUrl === undefined ? { embeddedDirectory: join(dataDir, 'postgres') } : { url: databaseUrl };
}

async function emptyDirectory(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { mode: 0o700 });
  return path;
}
