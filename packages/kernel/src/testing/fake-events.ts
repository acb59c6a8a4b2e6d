import type { PeEvents } from "../contracts/cpu-backend.ts";

/** The event register of a scripted PE. Scripts have no exclusive monitor; a test may set a stream's next event. */
export class FakeEvents implements PeEvents {
  pending = false;
  next = Number.POSITIVE_INFINITY;
  onEvent: (() => void) | undefined;
  /** Left with WAIT_EVENT. */
  waiting = false;
  #isTold = false;

  /** The return from EL2 that starts a PE is an event. */
  reset(): void {
    this.waiting = false;
    this.pending = true;
  }

  /** The event that ended a WFE is not one for the next. */
  leaveWait(): void {
    if (this.waiting) this.pending = false;
    this.waiting = false;
    this.#isTold = false;
  }

  /** An event, SEV for one. */
  send(): void {
    this.pending = true;
    if (!this.waiting || this.#isTold) return;
    this.#isTold = true;
    this.onEvent?.();
  }
}
