import { builder } from './builder.ts';
import { busiestActors } from './busiest-actors.ts';
import type { Observation, ObservedActor } from './context.ts';
import { cost } from './cost.ts';
import { ActorPhaseEnum, ActorSortEnum } from './enums.ts';
import { pageArguments, readPage } from './paging.ts';

const ActorTotals = builder.objectRef<Observation['totals']>('ActorTotals').implement({
  description: 'How many actors live, and what happened since the node began.',
  fields: (t) => ({
    live: t.expose('live', { type: 'Long' }),
    started: t.expose('started', { type: 'Long' }),
    restarted: t.expose('restarted', { type: 'Long' }),
    crashed: t.expose('crashed', { type: 'Long' }),
    refused: t.expose('refused', { type: 'Long', description: 'Messages that met a full mailbox.' }),
  }),
});

const OpenRepositories = builder.objectRef<Observation['repositories']>('OpenRepositories').implement({
  fields: (t) => ({
    pools: t.expose('pools', { type: 'Long', description: 'Repositories that are open.' }),
    openHandles: t.expose('openHandles', { type: 'Long', description: 'Open libgit2 handles.' }),
    cacheBytes: t.expose('cacheBytes', {
      type: 'Long',
      description: 'Memory of the parsed objects that are kept for all of them.',
    }),
  }),
});

const ProcessMemory = builder.objectRef<Observation['memory']>('ProcessMemory').implement({
  fields: (t) => ({
    rssBytes: t.expose('rss', { type: 'Long', description: 'What the process holds in RAM.' }),
    heapUsedBytes: t.expose('heapUsed', { type: 'Long', description: 'JavaScript objects.' }),
    externalBytes: t.expose('external', { type: 'Long', description: 'Buffers and native objects.' }),
  }),
});

const LoopDelay = builder.objectRef<Observation['loopDelay']>('LoopDelay').implement({
  description: 'How long work waited for the event loop in the last 10 to 20 seconds.',
  fields: (t) => ({
    p99Ms: t.exposeFloat('p99Ms'),
    maxMs: t.exposeFloat('maxMs'),
  }),
});

const Actor = builder.objectRef<ObservedActor>('Actor').implement({
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Names from the top down.' }),
    kind: t.exposeString('kind'),
    phase: t.expose('phase', { type: ActorPhaseEnum }),
    mailboxDepth: t.expose('mailboxDepth', { type: 'Long', description: 'Messages that wait.' }),
    handled: t.expose('messagesHandled', { type: 'Long', description: 'Messages handled so far.' }),
    restarts: t.expose('restarts', { type: 'Long', description: 'Earlier incarnations that ended.' }),
    startedAt: t.field({ type: 'DateTime', resolve: (actor) => new Date(actor.startedMs) }),
  }),
});

export const Observer = builder.objectRef<Observation>('Observer').implement({
  description: 'What a node is doing now.',
  fields: (t) => ({
    totals: t.field({ type: ActorTotals, resolve: ({ totals }) => totals }),
    repositories: t.field({ type: OpenRepositories, resolve: ({ repositories }) => repositories }),
    memory: t.field({ type: ProcessMemory, resolve: ({ memory }) => memory }),
    loopDelay: t.field({ type: LoopDelay, resolve: ({ loopDelay }) => loopDelay }),
    actors: t.field({
      type: [Actor],
      description: 'The first live actors in the order asked for; there is no further page.',
      args: {
        first: pageArguments.first,
        sort: t.arg({ type: ActorSortEnum, defaultValue: 'mailboxDepth' }),
      },
      // All of them are looked at.
      extensions: cost(50),
      resolve: async (observation, { first, sort }, { limits }) => {
        const { limit } = readPage({ first }, limits);
        const found = await busiestActors(observation.actors(), sort ?? 'mailboxDepth', limit);
        return [...found];
      },
    }),
  }),
});
