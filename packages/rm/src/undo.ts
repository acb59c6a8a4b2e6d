/**
 * How to take back what was done, newest first. What a step itself cannot take back stays as it is: there is nobody
 * left to tell.
 */
export class Undo {
  readonly #steps: (() => void)[] = [];

  push(step: () => void): void {
    this.#steps.push(step);
  }
  /** Take everything back. Each step runs once. */
  run(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) step();
  }
  /** Everything so far stays done; `to` may take it back later. */
  handOver(to: Undo): void {
    for (const step of this.#steps.splice(0)) to.push(step);
  }
}

/**
 * Do all of `work`, or none: when it throws, what it did is taken back.
 * @param keep gets the steps when it succeeds, for an end that comes later; without it they are forgotten
 */
export function attempt<T>(work: (undo: Undo) => T, keep?: Undo): T {
  const undo = new Undo();
  try {
    const result = work(undo);
    if (keep !== undefined) undo.handOver(keep);
    return result;
  } catch (thrown) {
    undo.run();
    throw thrown;
  }
}
