import assert from 'node:assert/strict';
import { readSettings, silentLog } from '#base';
import { ClusterNode } from '../../libs/cluster/membership/cluster-node.ts';
import type { Membership, MembershipEvent } from '../../libs/cluster/membership/membership.ts';
import { type NetworkOptions, type SimulatedClient, SimulatedLeases } from './simulated-leases.ts';
import { seededNumbers, seededRandom, SimulatedClock, SimulatedTime } from './simulated-time.ts';

const settings = readSettings().membership;

/** How long nodes that start together need until all have their volumes. */
export const formedMs = settings.leaseMs + 4 * settings.heartbeatMs;

export interface SimulatedNode {
  readonly name: string;
  readonly node: ClusterNode;
  readonly clock: SimulatedClock;
  readonly client: SimulatedClient;
  readonly events: MembershipEvent[];
}

/** Nodes on one time line. After each step it is checked that no volume has two holders. */
export class SimulatedCluster {
  readonly time = new SimulatedTime();
  readonly next: () => number;
  readonly leases: SimulatedLeases;
  readonly nodes: SimulatedNode[] = [];
  steps = 0;
  /** Who has mounted each volume, dead ones left out. */
  readonly #mounted = new Map<string, SimulatedNode[]>();

  constructor(seed = 1, network: Partial<NetworkOptions> = {}) {
    this.next = seededNumbers(seed);
    this.leases = new SimulatedLeases(this.time, {
      next: this.next,
      minDelayMs: 1,
      maxDelayMs: 20,
      timeoutMs: settings.storeTimeoutMs,
      ...network,
    });
  }

  /** A node that starts now. */
  add(name: string, volumeIds: readonly string[], address = `${name}:7000`, rate = 1): SimulatedNode {
    const clock = new SimulatedClock(this.time, rate);
    const client = this.leases.client(clock);
    const node = new ClusterNode({
      store: client,
      clock,
      random: seededRandom(this.next),
      settings,
      log: silentLog,
      state: {
        name,
        region: 'fra',
        address,
        version: '1',
        volumes: volumeIds.map((id) => ({ id, sizeBytes: 100, freeBytes: 50 })),
      },
    });
    const events: MembershipEvent[] = [];
    node.watch((event) => events.push(event));
    const added = { name, node, clock, client, events };
    this.nodes.push(added);
    for (const id of volumeIds) this.#mounted.set(id, [...(this.#mounted.get(id) ?? []), added]);
    node.start();
    return added;
  }

  kill(killed: SimulatedNode): void {
    killed.clock.kill();
    this.nodes.splice(this.nodes.indexOf(killed), 1);
    for (const [id, nodes] of this.#mounted) {
      this.#mounted.set(
        id,
        nodes.filter((each) => each !== killed),
      );
    }
  }

  /** Lets time go on; whoever could act on a volume is looked at after each step, the frozen too, which may wake at any moment. */
  async run(forMs: number, volumeIds: readonly string[] = []): Promise<void> {
    await this.time.run(forMs, () => {
      this.steps += 1;
      for (const volumeId of volumeIds) {
        const mounted = this.#mounted.get(volumeId) ?? [];
        const holders = mounted.filter(({ node }) => node.holdsVolume(volumeId));
        assert.ok(
          holders.length <= 1,
          `${volumeId} has the holders ${holders.map(({ name }) => name).join(', ')} at ${this.time.nowMs}`,
        );
      }
    });
  }
}

/** Who is where, as one node has it. */
export function view(membership: Membership): unknown {
  return [
    membership.nodes().map(({ name, isAlive, isDraining }) => [name, isAlive, isDraining]),
    membership.volumes().map(({ volumeId, node, address, isAlive }) => [volumeId, node, address, isAlive]),
  ];
}

export function kinds(events: readonly MembershipEvent[]): string[] {
  return events.map((event) =>
    event.kind === 'volumeMoved' ? `moved ${event.volume.volumeId}` : `${event.kind} ${event.node.name}`,
  );
}
