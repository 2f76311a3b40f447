/** Groups of signs of which each says what all others are. */
export class SignTies {
  readonly #groups = new Map<string, Map<string, boolean>>();

  /** `differ`: their signs are opposite. */
  tie(one: string, other: string, differ: boolean): void {
    const [into, from] = [this.#group(one), this.#group(other)];
    if (into === from) return;
    const turn = (into.get(one) !== from.get(other)) !== differ;
    for (const [name, sign] of from) {
      into.set(name, sign !== turn);
      this.#groups.set(name, into);
    }
  }

  #group(name: string): Map<string, boolean> {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, (group = new Map([[name, false]])));
    return group;
  }

  /** All groups: of each name whether its sign is the opposite of the group's. */
  get groups(): ReadonlySet<ReadonlyMap<string, boolean>> {
    return new Set(this.#groups.values());
  }
}
