import type { RepositoryChanges } from '#accounts';
import type { Bus } from '../membership/bus.ts';

/** On NATS it is `packhorse.changed.repository`. */
const topic = 'changed.repository';

/** Tells the nodes of a cluster which repositories' records have changed. */
export function busChanges(bus: Bus): RepositoryChanges {
  return {
    announce: (repositoryId) => bus.publish(topic, repositoryId),
    listen: (forget) => {
      bus.subscribe(topic, { message: forget, missed: () => forget(undefined) });
    },
  };
}
