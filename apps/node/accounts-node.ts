import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAccounts } from '#accounts';
import { openDatabase } from '#db';
import { AccountsGitGateway, AccountsRepositoryGateway, LocalLocator } from '#gateway';
import { openVolume } from '#git';
import { createGraphql } from '#graphql';
import { authenticate, createHttpServer } from '#http';
import { createSshServer, loadOrCreateHostKeys } from '#ssh';
import { createWeb } from '#web';
import { AdminAccess } from './admin-access.ts';
import type { NodeContext } from './node-context.ts';
import { authority, type RunningNode } from './running-node.ts';
import { version } from './version.ts';

/** A node with accounts: opens the volume, the database and every door. */
export async function startAccountsNode(context: NodeContext): Promise<RunningNode> {
  const { options, settings, clock, random, log, metrics, pools, runner, limits, session } = context;
  const dataDir = resolve(options.dataDir);
  const scratchDir = join(dataDir, 'scratch');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const volume = await openVolume(join(dataDir, 'volume'), { random, log });
  await rm(scratchDir, { recursive: true, force: true });
  const source =
    options.databaseUrl === undefined
      ? { embeddedDirectory: join(dataDir, 'postgres') }
      : { url: options.databaseUrl };
  const database = await openDatabase({ source, settings: settings.database, log });
  const accounts = createAccounts({ database, settings: settings.accounts, clock, random, log });
  const admin = new AdminAccess(dataDir, random);
  const authenticator = admin.extend(accounts.authenticator);
  const locator = new LocalLocator(pools, [volume]);
  const git = new AccountsGitGateway(accounts.repositories, locator, limits, session);
  const repositories = new AccountsRepositoryGateway(accounts.repositories, locator, {
    random,
    log,
    importPolicy: { runner, scratchDir },
  });

  const urls = { http: '', ssh: '' };
  const graphql = createGraphql({
    accounts,
    repositories,
    settings,
    log,
    nodeInfo: () => ({
      name: options.nodeName,
      region: options.region,
      version,
      httpUrl: urls.http,
      sshUrl: urls.ssh,
    }),
    authenticate: (request) =>
      authenticate(authenticator, request.headers.authorization, request.socket.remoteAddress ?? ''),
  });
  const web = createWeb({
    accounts,
    repositories,
    settings,
    log,
    addresses: () => urls,
    secureCookies: false,
  });
  const http = createHttpServer({
    git,
    authenticator,
    settings: settings.http,
    log,
    fallback: (request, response) =>
      new URL(request.url ?? '/', 'http://host').pathname === '/graphql'
        ? graphql(request, response)
        : web.handle(request, response),
    metrics,
  });
  const ssh = createSshServer({
    git,
    authenticateKey: (key) => accounts.authenticator.byKey(key),
    hostKeys: await loadOrCreateHostKeys(join(dataDir, 'ssh')),
    settings: settings.ssh,
    log,
    metrics,
  });
  urls.http = `http://${authority(options.host, await http.listen(options.host, options.httpPort))}`;
  const sshAuthority = authority(options.host, await ssh.listen(options.host, options.sshPort));
  urls.ssh = `ssh://git@${sshAuthority}`;
  await admin.publish(urls.http);

  return {
    httpUrl: urls.http,
    sshUrl: `ssh://${sshAuthority}`,
    drain: async () => {
      const timeoutMs = settings.node.drainTimeoutMs;
      await admin.withdraw();
      await Promise.all([http.drain(timeoutMs), ssh.drain(timeoutMs), graphql.drain()]);
      await web.close();
      await context.close();
      await database.close();
      await volume[Symbol.asyncDispose]();
    },
  };
}
