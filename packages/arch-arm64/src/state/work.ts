/**
 * What a PE's instructions cost beyond being retired: TLB maintenance and accesses to system registers leave the
 * generated code, and a guest that does nothing else would keep the process for a hundred times its budget.
 */
import type { StateBlock } from "./block.ts";
import { PENDING } from "./layout.ts";

/** In instructions; measured, and numbers so that a run on the virtual clock repeats. */
export const WORK = {
  /** A call out of the generated code, and the lookup after it. */
  CALL: 400,
  /** Emptying or searching the arrays of a TLB: 100 KiB. */
  TLB_ARRAYS: 3000,
} as const;

/** Charged work after which generated code is left, so that it counts. */
const LOOK_UP_AFTER = 20_000;

export class Work {
  readonly #state: StateBlock;
  #since = 0;
  /** Instructions' worth of work since the PE was created. */
  charged = 0;

  constructor(state: StateBlock) {
    this.#state = state;
  }

  charge(instructions: number): void {
    this.charged += instructions;
    this.#since += instructions;
    if (this.#since < LOOK_UP_AFTER) return;
    this.#since = 0;
    this.#state.raise(PENDING.SYNC);
  }
}
