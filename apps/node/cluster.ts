import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RepositoryChanges } from '#accounts';
import { randomId } from '#base';
import {
  busChanges,
  type ClusterCredentials,
  ClusterNode,
  type ClusterView,
  clusterView,
  NatsLink,
  NodePeers,
  Placement,
  RpcServer,
  serveClusterView,
} from '#cluster';
import type { Database } from '#db';
import { type NodeServiceParts, type Peers, serveNodes } from '#gateway';
import type { Volume } from '#git';
import { volumeState } from './alone.ts';
import type { NodeContext } from './node-context.ts';
import { observeMembership } from './observation.ts';
import type { NodeOptions } from './options.ts';
import { authority } from './running-node.ts';
import { version } from './version.ts';

/** This node's part in a cluster. Dispose it to leave. */
export interface ClusterPart extends AsyncDisposable {
  readonly view: ClusterView;
  readonly peers: Peers;
  /** Why requests had better go to another node, if they had. */
  problem(): string | undefined;
  /** What other nodes change, and what this one tells them. */
  readonly changes: RepositoryChanges;
  /** Answers other nodes from now on. */
  serve(parts: NodeServiceParts): void;
  /** Says that nothing new is to be put here, and lets calls of other nodes end. */
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
  opening.defer(() => server.drain(0));
  const link = opening.use(
    await NatsLink.open({
      url: nats,
      nodeName: options.nodeName,
      clock,
      settings: settings.membership,
      log,
    }),
  );
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
      volumes: [await volumeState(volume)],
    },
  });
  opening.defer(() => membership.close());
  observeMembership(context.metrics, membership);
  const placement = opening.adopt(
    new Placement({ membership, reserveBytes: settings.cluster.reserveBytes, replicaRegions: [] }),
    (opened) => opened.close(),
  );
  const peers = opening.use(
    new NodePeers({ self, membership, placement, credentials, settings: settings.cluster }),
  );
  opening.defer(keepSaying(membership, volume, context));
  serveClusterView(server, membership);
  const open = opening.move();
  return {
    view: clusterView(membership, (name) => peers.node(name)),
    peers,
    problem: () =>
      membership.isLeaseHeld() ? undefined : 'This node has lost touch with the others of its cluster.',
    changes: busChanges(link.bus),
    serve: (parts) => serveNodes(server, parts),
    async drain(timeoutMs) {
      // Who is asked to stop must not wait for NATS.
      await Promise.all([membership.drain(), server.drain(timeoutMs)]);
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Keeps what the others know of the load and the disk of this node up to date. The returned function ends it. */
function keepSaying(
  membership: ClusterNode,
  volume: Volume,
  { clock, settings, loopDelay, log }: NodeContext,
): () => void {
  let isEnded = false;
  let cancel: () => void = () => undefined;
  const say = async (): Promise<void> => {
    try {
      const { id, freeBytes } = await volumeState(volume);
      membership.update({ load: loopDelay.utilization(), freeBytes: { [id]: freeBytes } });
    } catch (error) {
      log.warn('the space of the volume cannot be found out', { error });
    }
    if (!isEnded) cancel = clock.after(settings.membership.stateMs, () => void say());
  };
  void say();
  return () => {
    isEnded = true;
    cancel();
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
