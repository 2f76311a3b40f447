/** A running server in the benchmark: ours or one that people use today. */
export interface Contestant extends AsyncDisposable {
  readonly name: string;
  readonly transport: 'http' | 'git' | 'ssh';
  /** The others of the same group are compared with this one. */
  readonly isBaseline: boolean;
  /** Packhorse, which has goals to reach. */
  readonly isOurs: boolean;
  /** Not a server that anybody runs but one that takes no time: for rows that ask for it. */
  readonly isBound?: true;
  /** The processes whose memory counts, with everything they start. */
  readonly pids: readonly number[];
  /** Where the measured repository is, as git takes it. */
  readonly url: string;
  /** What git needs besides the URL. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes a repository on the server, with exactly what `source` has on disk or empty; returns its URL. */
  create(source?: string): Promise<string>;
}

/** The same server, at another of its repositories. */
export function at(contestant: Contestant, url: string): Contestant {
  return { ...contestant, url };
}

const copies = new Map<string, Promise<Contestant>>();

/** The same server at a copy of `source` that is made once for each `purpose`. */
export function atCopy(contestant: Contestant, source: string, purpose: string): Promise<Contestant> {
  const key = `${contestant.url} ${source} ${purpose}`;
  let made = copies.get(key);
  if (made === undefined) {
    made = contestant.create(source).then((url) => at(contestant, url));
    copies.set(key, made);
  }
  return made;
}
