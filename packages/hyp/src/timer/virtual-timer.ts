/**
 * The EL1 virtual timer of one vCPU: of a running one by its PE's PPI, of one that is not on a PE by the clock.
 * Source: DDI 0487 K.a D12.2; gunyah-hypervisor hyp/vm/arm_vm_timer
 */

import { type Clock, type ClockTimer, type Pe, PePpi } from "@gunyah-ts/kernel";
import { VirqSource } from "../virq/virq-source.ts";

const ENABLE = 1n;
const IMASK = 2n;
const ISTATUS = 4n;

export class VirtualTimer {
  readonly #pe: Pe;
  readonly #clock: Clock;
  /** The interrupt is a hardware one: the guest's EOI deactivates the PPI of its PE. */
  readonly source = new VirqSource(() => this.#isAsserted());
  #armed: ClockTimer | undefined;
  #onPe = false;

  constructor(pe: Pe, clock: Clock) {
    this.#pe = pe;
    this.#clock = clock;
  }

  /** The PE raised its PPI for EL2. */
  interrupt(): void {
    this.#pe.acknowledge(PePpi.VIRTUAL_TIMER);
    this.source.assert();
  }

  /** The vCPU goes onto its PE, which then watches the timer itself. */
  enter(): void {
    this.#onPe = true;
  }

  /** The vCPU left its PE: watch the timer by the clock. */
  leave(): void {
    this.#onPe = false;
    const pe = this.#pe;
    if ((pe.read("CNTV_CTL_EL0") & (ENABLE | IMASK)) !== ENABLE) {
      this.#disarm();
      return;
    }
    const deadline = Number(BigInt.asUintN(64, pe.read("CNTV_CVAL_EL0") + pe.read("CNTVOFF_EL2")));
    if (this.#armed?.deadline === deadline) return;
    this.#disarm();
    if (deadline > Number.MAX_SAFE_INTEGER) return;
    if (deadline <= this.#clock.now()) {
      this.#expired();
      return;
    }
    this.#armed = this.#clock.at(deadline, () => {
      this.#armed = undefined;
      this.#expired();
    });
  }

  dispose(): void {
    this.#disarm();
    this.source.unbind();
  }

  #disarm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  #expired(): void {
    // On its PE the PPI does it; when the PPI is active the guest has not ended the last one.
    if (!this.#onPe && this.#pe.pendingInterrupt === PePpi.VIRTUAL_TIMER) this.interrupt();
  }

  /** The condition, for an interrupt that was pending but could not be delivered. Gone: the PPI is ours to end. */
  #isAsserted(): boolean {
    const asserted = (this.#pe.read("CNTV_CTL_EL0") & (ENABLE | IMASK | ISTATUS)) === (ENABLE | ISTATUS);
    if (!asserted) this.#pe.deactivate(PePpi.VIRTUAL_TIMER);
    return asserted;
  }
}
