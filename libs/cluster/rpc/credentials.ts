/** How nodes of one cluster know each other. */
export interface ClusterCredentials {
  /** Known to all nodes and to nobody else. */
  readonly secret: string;
  /** PEM. With it both sides also show certificates of `ca`, and what they say is encrypted. */
  readonly tls?: {
    readonly ca: Buffer;
    readonly certificate: Buffer;
    readonly key: Buffer;
  };
}
