/** Short messages to all nodes; one that is lost is lost, and whoever listens is told that some may have been. */
export interface Bus {
  publish(topic: string, message: string): void;
  /** The returned function ends it. */
  subscribe(topic: string, listener: BusListener): () => void;
}

export interface BusListener {
  message(text: string): void;
  /** The connection was lost for a while: anything may have been said. */
  missed(): void;
}
