import { token } from "../token.ts";

/**
 * The system counter (CNTPCT_EL0) and who moves it.
 *
 * `virtual`: time is retired instructions plus idle jumps, so the same input gives the same run.
 * `host`: wall clock.
 * Source: DDI 0487, D12 The Generic Timer in AArch64 state.
 */
export interface Clock {
  readonly kind: "virtual" | "host";
  /** CNTFRQ_EL0, ticks a second. */
  readonly frequencyHz: number;
  /** Counter value, ticks, an integer below 2^53. Never goes back. */
  now(): number;
  /** Instructions that one tick stands for when the clock is virtual; 0 when it is not. */
  readonly instructionsPerTick: number;
  /**
   * Virtual: account for retired instructions. Host: no effect. Does not fire timers.
   * The CPU backend alone calls this, for everything that it retired, before `Pe.run` returns: it knows the counter
   * in the middle of a run, and so the hypervisor must not count again.
   */
  retire(instructions: number): void;
  /** Call `expire` once, from `fire`, when the counter reaches `deadline` (ticks). Equal deadlines fire in order of `at`. */
  at(deadline: number, expire: () => void): ClockTimer;
  /** Earliest deadline (ticks), or Infinity. */
  nextDeadline(): number;
  /** Run every timer that is due. Returns how many ran. */
  fire(): number;
  /**
   * Nothing is runnable. Virtual: jump to the next deadline and fire; returns false when there is none.
   * Host: fire what is due; returns false when nothing was.
   */
  idle(): boolean;
}
export interface ClockTimer {
  readonly deadline: number;
  cancel(): void;
}
export const Clock = token<Clock>("contract/Clock");
