import { createHmac, timingSafeEqual } from 'node:crypto';

/** A node as it names itself when it talks to others. */
export interface NodeIdentity {
  readonly node: string;
  /** New at every start of the node. */
  readonly instanceId: string;
}

/**
 * How two nodes prove to each other that they know the cluster's secret without sending it: HMACs
 * (RFC 2104) over what each of them has just made up. A caller's proof is good for one start of the
 * node that is called. They keep strangers out; they hide nothing, so that the network between nodes
 * must be private, or TLS be used besides.
 */
export class Proofs {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** What the called node answers to a hello. */
  ofCalled(called: NodeIdentity, caller: NodeIdentity, nonce: string): string {
    return this.#sign(['called', called.node, called.instanceId, caller.node, caller.instanceId, nonce]);
  }

  /** What a caller sends with each call. */
  ofCaller(caller: NodeIdentity, calledInstanceId: string): string {
    return this.#sign(['caller', caller.node, caller.instanceId, calledInstanceId]);
  }

  /** Compares in constant time. */
  isSame(one: string, other: string): boolean {
    const [first, second] = [Buffer.from(one), Buffer.from(other)];
    return first.length === second.length && timingSafeEqual(first, second);
  }

  #sign(parts: readonly string[]): string {
    return createHmac('sha256', this.#secret).update(JSON.stringify(parts)).digest('base64url');
  }
}
