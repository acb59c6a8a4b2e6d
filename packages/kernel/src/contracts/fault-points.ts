import { token } from "../token.ts";

/**
 * Named places where a test can make an operation fail, to see that everything before it is undone.
 *
 * ```ts
 * if (faults.armed && faults.hit("rm.send")) return -EIO;
 * ```
 *
 * Unused, that is one load and a branch that is never taken.
 */
export interface FaultPoints {
  /** Whether any point is armed or recorded. Test it before `hit`. */
  readonly armed: boolean;
  /** Count a pass of `point`. @returns whether this pass is to fail */
  hit(point: string): boolean;
  /**
   * Fail the `pass`-th pass from now (1 is the next), and the `times - 1` after it.
   * @returns the function that disarms it
   * Errors: KERNEL_FAULT_POINT
   */
  arm(point: string, pass?: number, times?: number): () => void;
  /** Count passes without failing any, to learn which points an operation goes through. Ends by calling `stop`. */
  record(): { readonly passes: ReadonlyMap<string, number>; stop(): void };
}
export const FaultPoints = token<FaultPoints>("contract/FaultPoints");
