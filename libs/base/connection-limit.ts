/** Counts the open connections of a door, in all and by address. */
export class ConnectionLimit {
  readonly #maxConnections: number;
  readonly #maxPerAddress: number;
  readonly #byAddress = new Map<string, number>();
  #open = 0;

  constructor(settings: { readonly maxConnections: number; readonly maxConnectionsPerAddress: number }) {
    this.#maxConnections = settings.maxConnections;
    this.#maxPerAddress = settings.maxConnectionsPerAddress;
  }

  get open(): number {
    return this.#open;
  }

  /** Which limit keeps a connection from `address` out; undefined when it may come in. */
  objection(address: string): 'connections' | 'connections_per_address' | undefined {
    if (this.#open >= this.#maxConnections) return 'connections';
    const ofAddress = this.#byAddress.get(address) ?? 0;
    return ofAddress >= this.#maxPerAddress ? 'connections_per_address' : undefined;
  }

  /** Counts a connection; the returned function ends that, once. */
  enter(address: string): () => void {
    this.#open += 1;
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open -= 1;
      const remaining = (this.#byAddress.get(address) ?? 1) - 1;
      if (remaining === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, remaining);
    };
  }
}
