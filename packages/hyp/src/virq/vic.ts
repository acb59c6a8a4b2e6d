/**
 * A virtual interrupt controller as the rest of the hypervisor sees it. `../vgic/` is the one implementation.
 * Source: gunyah-hypervisor hyp/interfaces/vic/vic.hvc and hyp/interfaces/vic/include/vic.h
 */

import type { VirqSource } from "./virq-source.ts";

/** `virq_info` word of the bind hypercalls. Source: gunyah-hypervisor, virq_info_t. */
export interface VirqInfo {
  /** Interrupt number, bits 23:0. */
  readonly virq: number;
  /** Target vCPU index, bits 31:24; only for private interrupts (PPI). */
  readonly vcpuIndex: number;
}

/** Split a 32-bit `virq_info` word. */
export function virqInfo(word: number): VirqInfo {
  return { virq: word & 0xff_ffff, vcpuIndex: word >>> 24 };
}

export interface Vic {
  /**
   * Attach a source to a shared interrupt (SPI).
   * @param virq interrupt number: 32-1019 or 4096-5119
   * @returns GunyahError: OK, VIRQ_BOUND when the source is bound already, BUSY when the number has a source,
   * ARGUMENT_INVALID when the number is no SPI of this controller
   */
  bindShared(source: VirqSource, virq: number): number;
  /**
   * Attach a source to a private interrupt (PPI, 16-31) of one vCPU.
   * @param vcpuIndex index given to vic_attach_vcpu
   * @returns GunyahError, as `bindShared`
   */
  bindPrivate(source: VirqSource, vcpuIndex: number, virq: number): number;
  /** Bind by a `virq_info` word as hypercalls give it: private when the number is below 32. */
  bind(source: VirqSource, virqInfoWord: number): number;
}

/**
 * What a bound source asks of its controller. Implemented by the controller, called by `VirqSource` alone.
 * `slot` is the controller's own index of the interrupt.
 */
export interface VirqSink {
  /** Raise. @param edgeOnly skip interrupts that are configured as level. @returns whether it changed to pending. */
  virqAssert(slot: number, edgeOnly: boolean): boolean;
  /** The level is gone. No effect on an edge interrupt that is already pending. */
  virqClear(slot: number): void;
  /** Whether the source's assertion has not yet been delivered and cleared. */
  virqQuery(slot: number): boolean;
  virqUnbind(slot: number): void;
}
