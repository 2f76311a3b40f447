import { randomBytes } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import { randomId } from '#base';
import {
  type ClusterCredentials,
  ClusterNode,
  type Membership,
  NatsLink,
  NodePeers,
  RpcServer,
} from '#cluster';
import type { Database } from '#db';
import { type NodeServiceParts, type Peers, serveNodes } from '#gateway';
import type { Volume } from '#git';
import type { NodeContext } from './node-context.ts';
import type { NodeOptions } from './options.ts';
import { authority } from './running-node.ts';
import { version } from './version.ts';

/** This node's part in a cluster. Dispose it to leave. */
export interface ClusterPart extends AsyncDisposable {
  readonly membership: Membership;
  readonly peers: Peers;
  /** Answers other nodes from now on. */
  serve(parts: NodeServiceParts): void;
  /** Lets calls of other nodes end. */
  drain(timeoutMs: number): Promise<void>;
}

/** Joins the cluster behind `--nats` with one volume. Throws what keeps the node from it. */
export async function joinCluster(
  context: NodeContext,
  nats: string,
  { volume, database }: { readonly volume: Volume; readonly database: Database },
): Promise<ClusterPart> {
  await using opening = new AsyncDisposableStack();
  const { options, settings, clock, random, log } = context;
  const credentials = await clusterCredentials(options, database);
  const self = { node: options.nodeName, instanceId: randomId(random) };
  const server = new RpcServer({ self, credentials, settings: settings.cluster, log });
  const port = await server.listen(options.host, options.clusterPort ?? 0);
  const drain = (timeoutMs: number): Promise<void> => server.drain(timeoutMs);
  opening.defer(() => drain(0));
  const link = opening.use(
    await NatsLink.open({
      url: nats,
      nodeName: options.nodeName,
      clock,
      settings: settings.membership,
      log,
    }),
  );
  const { bsize, blocks, bavail } = await statfs(volume.path);
  const membership = await ClusterNode.join({
    store: link.leases,
    clock,
    random,
    settings: settings.membership,
    log,
    state: {
      name: options.nodeName,
      region: options.region,
      address: options.clusterAddress ?? authority(options.host, port),
      version,
      volumes: [{ id: volume.id, sizeBytes: bsize * blocks, freeBytes: bsize * bavail }],
    },
  });
  opening.defer(() => membership.close());
  const peers = opening.use(new NodePeers({ self, membership, credentials, settings: settings.cluster }));
  const open = opening.move();
  return {
    membership,
    peers,
    serve: (parts) => serveNodes(server, parts),
    drain,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

const secretName = 'nodes';

/** The cluster's secret: the one that was given, or the one in the database, which only its nodes can read. */
async function clusterCredentials(options: NodeOptions, database: Database): Promise<ClusterCredentials> {
  const { clusterSecret, clusterTlsCa, clusterTlsCert, clusterTlsKey } = options;
  const secret = clusterSecret ?? (await sharedSecret(database));
  if (clusterTlsCa === undefined || clusterTlsCert === undefined || clusterTlsKey === undefined)
    return { secret };
  const [ca, certificate, key] = await Promise.all([
    readFile(clusterTlsCa),
    readFile(clusterTlsCert),
    readFile(clusterTlsKey),
  ]);
  return { secret, tls: { ca, certificate, key } };
}

async function sharedSecret(database: Database): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  await database.run((client) =>
    client.clusterSecret.createMany({ data: [{ name: secretName, secret }], skipDuplicates: true }),
  );
  const where = { name: secretName };
  return (await database.run((client) => client.clusterSecret.findUniqueOrThrow({ where }))).secret;
}
