/**
 * A vCPU that goes round in an exception that it cannot take: its vector, or what the vector needs first, is not in its
 * memory any more. A guest may do so for ever; when the host does, the machine has crashed.
 */

/** A handler that does anything at all retires more than this between two aborts, instructions. */
const SHORT = 64;
const TIMES = 10_000;

export class DeadEnd {
  #pc = -1n;
  #retired = 0;
  #times = 0;

  /**
   * An abort at `pc` is about to be injected.
   * @param retired instructions of the vCPU until now
   * @returns whether it was the same one, hardly any instruction apart, too often
   */
  isReached(pc: bigint, retired: number): boolean {
    const again = pc === this.#pc && retired - this.#retired < SHORT;
    this.#times = again ? this.#times + 1 : 0;
    this.#pc = pc;
    this.#retired = retired;
    return this.#times >= TIMES;
  }
}
