import type { Observation, ObservedActor } from '#graphql';

/** An actor that has done nothing yet. */
export function fakeActor(parts: Partial<ObservedActor> = {}): ObservedActor {
  return {
    path: 'repositories',
    kind: 'dynamic-supervisor',
    phase: 'live',
    mailboxDepth: 0,
    messagesHandled: 0,
    restarts: 0,
    startedMs: 1_700_000_000_000,
    ...parts,
  };
}

const someActors = [
  fakeActor(),
  fakeActor({ path: 'repositories/r1', kind: 'repository-pool', restarts: 3 }),
  fakeActor({ path: 'repositories/r1/writer', kind: 'writer', messagesHandled: 9 }),
  fakeActor({ path: 'repositories/r1/reader', kind: 'reader', mailboxDepth: 5, messagesHandled: 2 }),
];

/** What a node with these actors would tell. */
export function fakeObservation(actors: Iterable<ObservedActor> = someActors): Observation {
  return {
    totals: { live: 4, started: 7, restarted: 3, crashed: 2, refused: 1 },
    repositories: { pools: 1, openHandles: 6, cacheBytes: 4_100_000 },
    memory: { rss: 182_300_000, heapUsed: 60_000_000, external: 12_000_000 },
    loopDelay: { p99Ms: 2, maxMs: 14 },
    actors: () => actors,
  };
}
