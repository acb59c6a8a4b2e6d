/**
 * The event register of a PE, what sets it, and the WFE that waits for it.
 * Source: DDI 0487 K.a, D1.6.1 (Wait for Event), B2.12.2 (global monitor).
 */
import type { Clock, PeEvents } from "@gunyah-ts/kernel";
import { EventStreams } from "../timer/event-stream.ts";
import type { StateBlock } from "./block.ts";
import { MONITOR_OPEN } from "./exclusive-monitor.ts";
import { L } from "./layout.ts";

export class EventRegister implements PeEvents {
  readonly #state: StateBlock;
  readonly #streams: EventStreams;
  onEvent: (() => void) | undefined;
  /** The PE left with WAIT_EVENT and has not run since. */
  #isInWfe = false;
  #isTold = false;

  constructor(state: StateBlock, clock: Clock) {
    this.#state = state;
    this.#streams = new EventStreams(state, clock);
  }

  /** SEV of any PE, SEVL, a store of something that is no PE to what the monitor watches. */
  send(): void {
    this.#state.set(L.EVENT, 1);
    if (!this.#isInWfe || this.#isTold) return;
    this.#isTold = true;
    this.onEvent?.();
  }

  get pending(): boolean {
    return this.#state.get(L.EVENT) !== 0 || this.#streams.pending || this.#monitorCleared;
  }

  /** The same, for the WFE itself: the register is clear afterwards. */
  take(): boolean {
    const { pending } = this;
    if (this.#monitorCleared) this.#state.set64(L.EXCL_ADDRESS, MONITOR_OPEN);
    this.#streams.take();
    this.#state.set(L.EVENT, 0);
    return pending;
  }

  get next(): number {
    return this.#streams.next;
  }

  /** A WFE waits. */
  wait(): void {
    this.#isInWfe = true;
    this.#isTold = false;
  }
  /** The PE executes. The event that ended a WFE is not one for the next. */
  leaveWait(): void {
    if (this.#isInWfe) this.take();
    this.#isInWfe = false;
  }

  /** UNKNOWN at reset. The return from EL2 that starts the PE is an exception return, which is an event. */
  reset(): void {
    this.#isInWfe = false;
    this.#state.set(L.EVENT, 1);
  }

  /** Something that is no PE stored to memory. */
  stored(): void {
    if (this.#isInWfe && this.#monitorCleared) this.send();
  }

  /**
   * Another observer stored to what the exclusive monitor watches.
   * Differs: seen by the value, so a store of the same value is none; it gives a waiting loop nothing to see either.
   */
  get #monitorCleared(): boolean {
    const state = this.#state;
    if (state.get64(L.EXCL_ADDRESS) === MONITOR_OPEN) return false;
    const at = Number(state.get64(L.EXCL_ADDRESS));
    const seen = state.base + L.EXCL_VALUE;
    const size = state.get(L.EXCL_SIZE);
    for (let i = 0; i < size; i++) if (state.bytes[at + i] !== state.bytes[seen + i]) return true;
    return false;
  }
}
