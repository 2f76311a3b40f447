/** Runs asynchronous work strictly one after the other, in the order in which it was asked for. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const running = this.#last.then(work);
    // A failure is its caller's business; whoever comes next starts all the same.
    this.#last = running.catch(() => undefined);
    return running;
  }
}
