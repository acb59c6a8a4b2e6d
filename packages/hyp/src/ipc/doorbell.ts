/**
 * Doorbell: 64 flags that one VM sets and another reads, with an interrupt.
 * Source: gunyah-hypervisor hyp/ipc/doorbell/src/doorbell.c
 */

import { GunyahError } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { VirqSource } from "../virq/virq-source.ts";

const ALL = 0xffff_ffff;

/** The 64-bit masks are kept as 32-bit halves, because a send is on the path of every virtqueue interrupt. */
export class Doorbell extends HypObject {
  static readonly TYPE = "doorbell";
  override readonly type = Doorbell.TYPE;
  /** A level: pending while an enabled flag is set. */
  readonly source = new VirqSource((reasserted) => reasserted || this.#isEnabledSet());
  #flagsLow = 0;
  #flagsHigh = 0;
  #enableLow = ALL;
  #enableHigh = ALL;
  #ackLow = 0;
  #ackHigh = 0;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 128);
  }

  /** Flags now set, 64 bits, as halves. */
  get flagsLow(): number {
    return this.#flagsLow;
  }
  get flagsHigh(): number {
    return this.#flagsHigh;
  }

  #isEnabledSet(): boolean {
    return (this.#flagsLow & this.#enableLow) !== 0 || (this.#flagsHigh & this.#enableHigh) !== 0;
  }

  #acknowledge(): void {
    this.#flagsLow = (this.#flagsLow & ~this.#ackLow) >>> 0;
    this.#flagsHigh = (this.#flagsHigh & ~this.#ackHigh) >>> 0;
  }

  /**
   * Set flags. A level assertion when an enabled flag is set, and then the acknowledged flags clear at once; else
   * only an edge-triggered interrupt hears of it. Read the old flags before calling.
   * Source: doorbell_send
   */
  send(low: number, high: number): void {
    this.#flagsLow = (this.#flagsLow | low) >>> 0;
    this.#flagsHigh = (this.#flagsHigh | high) >>> 0;
    const edgeOnly = !this.#isEnabledSet();
    this.source.assert(edgeOnly);
    if (!edgeOnly) this.#acknowledge();
  }

  /**
   * Clear flags. A pending level whose condition this ends is withdrawn at once.
   * Differs: the source leaves that to the next look at the condition, before delivery; the model's list registers are
   * read back where they are looked at, so both show a guest the same.
   * @returns GunyahError: ARGUMENT_INVALID for an empty mask
   * Source: doorbell_receive
   */
  receive(low: number, high: number): GunyahError {
    if (low === 0 && high === 0) return GunyahError.ARGUMENT_INVALID;
    this.#flagsLow = (this.#flagsLow & ~low) >>> 0;
    this.#flagsHigh = (this.#flagsHigh & ~high) >>> 0;
    if (!this.#isEnabledSet()) this.source.clear();
    return GunyahError.OK;
  }

  /** Source: doorbell_reset */
  reset(): void {
    this.source.clear();
    this.#flagsLow = this.#flagsHigh = 0;
    this.#ackLow = this.#ackHigh = 0;
    this.#enableLow = this.#enableHigh = ALL;
  }

  /** Set which flags interrupt, and which clear themselves when they do. Source: doorbell_mask */
  mask(enableLow: number, enableHigh: number, ackLow: number, ackHigh: number): void {
    const was = this.#isEnabledSet();
    this.#enableLow = enableLow;
    this.#enableHigh = enableHigh;
    this.#ackLow = ackLow;
    this.#ackHigh = ackHigh;
    const is = this.#isEnabledSet();
    if (was && !is) this.source.clear();
    if (!was && is) this.source.assert(false);
    if (is) this.#acknowledge();
  }

  protected override onDeactivate(): void {
    this.source.unbind();
  }
}
