/**
 * Event streams of the Generic Timer: a transition of one bit of the counter is an event for WFE.
 * Source: DDI 0487 K.a, D12.2.6 (event streams), CNTKCTL_EL1 and CNTHCTL_EL2 (EVNTEN, EVNTDIR, EVNTI).
 */
import type { Clock } from "@gunyah-ts/kernel";
import { S, type StateBlock } from "../state/block.ts";

const EVNTEN = 1 << 2;
/** The event is the transition from 1 to 0. */
const EVNTDIR = 1 << 3;
const EVNTI_SHIFT = 4;

/** Counter ticks from `count` to the next event, 1 or more. @param control CNTKCTL_EL1 or CNTHCTL_EL2 */
export function ticksToEvent(control: number, count: number): number {
  const bit = (control >>> EVNTI_SHIFT) & 15;
  const period = 2 ** (bit + 1);
  const transition = (control & EVNTDIR) !== 0 ? 0 : period / 2;
  return ((transition - (count % period) + 2 * period - 1) % period) + 1;
}

/** The streams of the virtual counter (EL1's) and of the physical counter (EL2's) of one PE. */
export class EventStreams {
  readonly #state: StateBlock;
  readonly #clock: Clock;
  /** Until when events were looked at, and with which controls: events before they changed are nobody's. */
  #seen = 0;
  #controls = 0;

  constructor(state: StateBlock, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** Whether a stream had an event since the last call of `take`. */
  get pending(): boolean {
    this.#refresh();
    return this.#after(this.#seen) <= this.#clock.now();
  }

  /** The same, and look from now on. */
  take(): boolean {
    const { pending } = this;
    this.#seen = this.#clock.now();
    return pending;
  }

  /** CNTPCT_EL0 ticks of the next event, Infinity when both streams are off. */
  get next(): number {
    this.#refresh();
    return this.#after(this.#clock.now());
  }

  #refresh(): void {
    const controls = (this.#state.low(S.CNTKCTL) & 0xffff) | (this.#state.low(S.CNTHCT) << 16);
    if (controls === this.#controls) return;
    this.#controls = controls;
    this.#seen = this.#clock.now();
  }

  #after(count: number): number {
    const state = this.#state;
    const el1 = state.low(S.CNTKCTL);
    const el2 = state.low(S.CNTHCT);
    let next = Number.POSITIVE_INFINITY;
    // The low word is enough: the widest period is 2^16 ticks.
    const virtual = ((count % 2 ** 32) - (state.low(S.CNTVOFF) >>> 0)) >>> 0;
    if ((el1 & EVNTEN) !== 0) next = count + ticksToEvent(el1, virtual);
    if ((el2 & EVNTEN) !== 0) next = Math.min(next, count + ticksToEvent(el2, count));
    return next;
  }
}
