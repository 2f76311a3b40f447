/**
 * Does what comes in during one turn of the event loop together at its end. What has to be looked up
 * for each request at the time it came is then looked up once for all of them (`TurnMemo`), and the
 * answers leave one right after the other, so that whoever reads them is woken less often.
 */
export class GatheredWork {
  #gathered: (() => void)[] = [];
  readonly #run = (): void => {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const work of gathered) work();
  };

  /** `work` must not throw. */
  add(work: () => void): void {
    // Immediates come right after everything that had arrived was read.
    if (this.#gathered.push(work) === 1) setImmediate(this.#run);
  }
}
