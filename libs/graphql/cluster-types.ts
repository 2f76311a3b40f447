import type { Member, Membership } from '#cluster';
import { requireAdministrator } from './access.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

/** A volume with what its node says of it. */
interface SeenVolume {
  readonly id: string;
  readonly node: string;
  readonly region: string;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly sizeBytes: number | undefined;
  readonly freeBytes: number | undefined;
}

const ClusterVolume = builder.objectRef<SeenVolume>('ClusterVolume').implement({
  description: 'A disk that stores repositories; it keeps its id wherever it is mounted.',
  fields: (t) => ({
    id: t.exposeID('id'),
    node: t.exposeString('node', { description: 'The node that has it, or had it last.' }),
    region: t.exposeString('region'),
    isAlive: t.exposeBoolean('isAlive', { description: 'Whether that node serves it now.' }),
    isDraining: t.exposeBoolean('isDraining', { description: 'Nothing new is put there.' }),
    sizeBytes: t.expose('sizeBytes', {
      type: 'Long',
      nullable: true,
      description: 'Null when it is not mounted.',
    }),
    freeBytes: t.expose('freeBytes', { type: 'Long', nullable: true }),
  }),
});

const ClusterNode = builder.objectRef<Member & { readonly isSelf: boolean }>('ClusterNode').implement({
  description: 'A server process, as the node that answers knows it.',
  fields: (t) => ({
    name: t.exposeString('name'),
    region: t.exposeString('region'),
    version: t.exposeString('version'),
    address: t.string({
      nullable: true,
      description: 'Where other nodes reach it; null for a node that is alone.',
      resolve: (node) => node.address,
    }),
    isSelf: t.exposeBoolean('isSelf', { description: 'It is the one that answers.' }),
    isAlive: t.exposeBoolean('isAlive', {
      description: 'False after it fell silent and its lease was taken.',
    }),
    isDraining: t.exposeBoolean('isDraining', { description: 'Nothing new is put there.' }),
    load: t.exposeFloat('load', {
      description: 'The share of time that its event loop is busy, from 0 to 1.',
    }),
    volumes: t.field({
      type: [ClusterVolume],
      description: 'Those that it serves.',
      resolve: ({ name }, _args, { cluster }) =>
        seenVolumes(cluster.membership).filter((volume) => volume.node === name && volume.isAlive),
    }),
  }),
});

function seenNodes(membership: Membership): (Member & { readonly isSelf: boolean })[] {
  return membership.nodes().map((node) => ({ ...node, isSelf: node.name === membership.self.name }));
}

function seenVolumes(membership: Membership): SeenVolume[] {
  return membership.volumes().map(({ volumeId, node, region, isAlive, isDraining }) => {
    const state = membership.node(node)?.volumes.find(({ id }) => id === volumeId);
    return {
      id: volumeId,
      node,
      region,
      isAlive,
      isDraining,
      sizeBytes: isAlive ? state?.sizeBytes : undefined,
      freeBytes: isAlive ? state?.freeBytes : undefined,
    };
  });
}

const DrainNodeInput = builder.inputType('DrainNodeInput', {
  fields: (t) => ({
    name: t.string({ required: true }),
    isDraining: t.boolean({ defaultValue: true, description: 'False puts it to use again.' }),
  }),
});

function forOperators({ identity, cluster }: Context): Context['cluster'] {
  requireAdministrator(identity);
  return cluster;
}

builder.queryFields((t) => ({
  nodes: t.field({
    type: [ClusterNode],
    description: 'All nodes of the cluster, by name. Only for administrators.',
    resolve: (_root, _args, context) => seenNodes(forOperators(context).membership),
  }),
  volumes: t.field({
    type: [ClusterVolume],
    description: 'All volumes that some node has or had. Only for administrators.',
    resolve: (_root, _args, context) => seenVolumes(forOperators(context).membership),
  }),
}));

builder.mutationFields((t) => ({
  drainNode: t.field({
    type: 'Boolean',
    description:
      'From now on nothing new is put on the node; what is there stays and is served. Only for administrators.',
    args: { input: t.arg({ type: DrainNodeInput, required: true }) },
    resolve: async (_root, { input: { name, isDraining } }, context) => {
      await forOperators(context).drain(name, isDraining ?? true);
      return isDraining ?? true;
    },
  }),
}));
