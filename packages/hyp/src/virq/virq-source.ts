/**
 * One cause of virtual interrupts inside the hypervisor: a doorbell, an end of a message queue, a timer.
 * Source: gunyah-hypervisor hyp/interfaces/virq/ (virq_assert, virq_clear, virq_query, event virq_check_pending)
 */

import type { VirqSink } from "./vic.ts";

/**
 * Asked when a level-sensitive interrupt of this source ends (EOI), or its list register is taken back:
 * is the condition still true?
 *
 * @param reasserted the source asserted again since the interrupt was delivered
 * @returns true to keep the interrupt pending
 * Source: gunyah-hypervisor, event virq_check_pending
 */
export type VirqCheckPending = (reasserted: boolean) => boolean;

/**
 * A source is bound to at most one interrupt of one controller. Its owner asserts and clears it without knowing
 * whether it is bound; unbound it does nothing.
 *
 * Bind with `vic.bind(source, virqInfoWord)`; the controller calls `attach`.
 */
export class VirqSource {
  readonly #checkPending: VirqCheckPending;
  #sink: VirqSink | undefined;
  #slot = -1;

  /** @param checkPending the source's condition; a source that is an event rather than a level returns `reasserted` */
  constructor(checkPending: VirqCheckPending) {
    this.#checkPending = checkPending;
  }

  get isBound(): boolean {
    return this.#sink !== undefined;
  }

  /**
   * Assert the interrupt.
   *
   * @param edgeOnly only when the interrupt is configured as edge-triggered (for an event that leaves the level as it is)
   * @returns whether the interrupt became pending; false when unbound
   */
  assert(edgeOnly = false): boolean {
    return this.#sink?.virqAssert(this.#slot, edgeOnly) ?? false;
  }

  /** The condition is no longer true. A pending edge stays pending. */
  clear(): void {
    this.#sink?.virqClear(this.#slot);
  }

  /** Whether the interrupt is pending because of this source. */
  query(): boolean {
    return this.#sink?.virqQuery(this.#slot) ?? false;
  }

  /** Detach from the controller, if bound; a level that is pending only through this source goes away. */
  unbind(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    sink.virqUnbind(this.#slot);
    this.#sink = undefined;
    this.#slot = -1;
  }

  /** For the controller: see `VirqCheckPending`. */
  checkPending(reasserted: boolean): boolean {
    return this.#checkPending(reasserted);
  }

  /** For the controller, when a bind succeeds. */
  attach(sink: VirqSink, slot: number): void {
    this.#sink = sink;
    this.#slot = slot;
  }

  /** For the controller, when it is destroyed first. */
  detach(): void {
    this.#sink = undefined;
    this.#slot = -1;
  }
}
