import { setImmediate } from 'node:timers/promises';
import type { ObservedActor } from './context.ts';

type ActorSort = 'mailboxDepth' | 'messagesHandled' | 'restarts';

/** Actors looked at before the event loop gets a chance to do its other work: a few milliseconds. */
const sliceActors = 2_000;

/**
 * The `count` first actors by `sort`, largest first; among equals those that handled more messages,
 * then those that came first. Keeps no more than `count` of them, however many there are.
 */
export async function busiestActors(
  actors: Iterable<ObservedActor>,
  sort: ActorSort,
  count: number,
): Promise<readonly ObservedActor[]> {
  const precedes = (one: ObservedActor, other: ObservedActor): boolean =>
    one[sort] === other[sort] ? one.messagesHandled > other.messagesHandled : one[sort] > other[sort];
  const found: ObservedActor[] = [];
  let seen = 0;
  for (const actor of actors) {
    const last = found[count - 1];
    if (last === undefined || precedes(actor, last)) {
      const place = found.findIndex((other) => precedes(actor, other));
      found.splice(place < 0 ? found.length : place, 0, actor);
      if (found.length > count) found.pop();
    }
    seen += 1;
    if (seen % sliceActors === 0) await setImmediate();
  }
  return found;
}
