/**
 * The EL1 physical and virtual timers over the system counter of the Clock contract.
 * Source: DDI 0487 K.a, D12.2 (the AArch64 view of the Generic Timer).
 */
import type { Clock } from "@gunyah-ts/kernel";
import { S, type StateBlock } from "../state/block.ts";

const CTL = { ENABLE: 1, IMASK: 2, ISTATUS: 4 } as const;
const TWO_64 = 2 ** 64;

const toNumber = (high: number, low: number) => (high >>> 0) * 0x1_0000_0000 + (low >>> 0);

export class GenericTimers {
  readonly #state: StateBlock;
  readonly #clock: Clock;

  constructor(state: StateBlock, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** CNTPCT_EL0. */
  get cntpct(): bigint {
    return BigInt(this.#clock.now());
  }
  /** CNTVCT_EL0. */
  get cntvct(): bigint {
    return BigInt.asUintN(64, this.cntpct - this.#state.slot(S.CNTVOFF));
  }

  /** CNTVCT_EL0 as a number, or -1 when it takes more than 53 bits: then `cntvct` has it. */
  get cntvctNumber(): number {
    const state = this.#state;
    const offset = toNumber(state.high(S.CNTVOFF), state.low(S.CNTVOFF));
    return Math.max(-1, this.#clock.now() - offset);
  }
  get cntpctNumber(): number {
    return this.#clock.now();
  }

  /** Whether CNTV or CNTP's condition holds: ISTATUS of an enabled timer. */
  condition(virtual: boolean): boolean {
    const ctl = this.#state.low(virtual ? S.CNTV_CTL : S.CNTP_CTL);
    if ((ctl & CTL.ENABLE) === 0) return false;
    const now = virtual ? this.cntvctNumber : this.#clock.now();
    const compare = virtual ? S.CNTV_CVAL : S.CNTP_CVAL;
    // Doubles order integers exactly below 2^53, and any of them against what is above.
    if (now >= 0) return now >= toNumber(this.#state.high(compare), this.#state.low(compare));
    return virtual ? this.cntvct >= this.#state.slot(S.CNTV_CVAL) : this.cntpct >= this.#state.slot(S.CNTP_CVAL);
  }
  /** Level of the timer's interrupt. Cheap while the timer is off or masked. */
  asserted(virtual: boolean): boolean {
    const ctl = this.#state.low(virtual ? S.CNTV_CTL : S.CNTP_CTL);
    return (ctl & (CTL.ENABLE | CTL.IMASK)) === CTL.ENABLE && this.condition(virtual);
  }
  /** CNTV_CTL_EL0, CNTP_CTL_EL0 with ISTATUS. */
  readControl(virtual: boolean): number {
    const ctl = this.#state.low(virtual ? S.CNTV_CTL : S.CNTP_CTL) & (CTL.ENABLE | CTL.IMASK);
    return this.condition(virtual) ? ctl | CTL.ISTATUS : ctl;
  }
  /** CNTV_TVAL_EL0, CNTP_TVAL_EL0: what is left, 32 bits signed. */
  readTimerValue(virtual: boolean): bigint {
    const left = virtual ? this.#state.slot(S.CNTV_CVAL) - this.cntvct : this.#state.slot(S.CNTP_CVAL) - this.cntpct;
    return BigInt.asUintN(32, left);
  }
  writeTimerValue(virtual: boolean, value: bigint): void {
    const now = virtual ? this.cntvct : this.cntpct;
    this.#state.setSlot(virtual ? S.CNTV_CVAL : S.CNTP_CVAL, BigInt.asUintN(64, now + BigInt.asIntN(32, value)));
  }

  /** Counter value (CNTPCT_EL0 ticks) at which an armed, unmasked timer's condition next becomes true; Infinity for never. */
  get nextDeadline(): number {
    const state = this.#state;
    let next = Number.POSITIVE_INFINITY;
    if ((state.low(S.CNTV_CTL) & (CTL.ENABLE | CTL.IMASK)) === CTL.ENABLE) {
      let deadline =
        toNumber(state.high(S.CNTV_CVAL), state.low(S.CNTV_CVAL)) +
        toNumber(state.high(S.CNTVOFF), state.low(S.CNTVOFF));
      if (deadline >= TWO_64) deadline -= TWO_64;
      next = deadline;
    }
    if ((state.low(S.CNTP_CTL) & (CTL.ENABLE | CTL.IMASK)) === CTL.ENABLE)
      next = Math.min(next, toNumber(state.high(S.CNTP_CVAL), state.low(S.CNTP_CVAL)));
    return next;
  }
}
