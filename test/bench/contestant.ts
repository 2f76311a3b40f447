/** A running server in the benchmark: ours or one that people use today. */
export interface Contestant extends AsyncDisposable {
  readonly name: string;
  readonly transport: 'http' | 'git' | 'ssh';
  /** The others of the same group are compared with this one. */
  readonly isBaseline: boolean;
  /** The processes whose memory counts, with everything they start. */
  readonly pids: readonly number[];
  /** Where the measured repository is, as git takes it. */
  readonly url: string;
  /** What git needs besides the URL. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes an empty repository on the server; returns its URL. */
  createEmpty(): Promise<string>;
}
