/**
 * An EL1 timer of one vCPU, virtual or physical: of a running one by its PE's PPI, of one that is not on a PE by the clock.
 * Source: DDI 0487 K.a D12.2; gunyah-hypervisor hyp/vm/arm_vm_timer
 */

import { type Clock, type ClockTimer, type Pe, PePpi } from "@gunyah-ts/kernel";
import { VirqSource } from "../virq/virq-source.ts";

const ENABLE = 1n;
const IMASK = 2n;
const ISTATUS = 4n;

/** What tells the two timers apart. */
export const VmTimerKind = {
  VIRTUAL: { ppi: PePpi.VIRTUAL_TIMER, control: "CNTV_CTL_EL0", compare: "CNTV_CVAL_EL0", offset: "CNTVOFF_EL2" },
  PHYSICAL: { ppi: PePpi.PHYSICAL_TIMER, control: "CNTP_CTL_EL0", compare: "CNTP_CVAL_EL0", offset: undefined },
} as const;
type VmTimerKind = (typeof VmTimerKind)[keyof typeof VmTimerKind];

export class VmTimer {
  readonly #kind: VmTimerKind;
  readonly #pe: Pe;
  readonly #clock: Clock;
  readonly #expired: () => void;
  /** The interrupt is a hardware one: the guest's EOI deactivates the PPI of its PE. */
  readonly source = new VirqSource(() => this.#isAsserted());
  #armed: ClockTimer | undefined;
  #onPe = false;

  /** @param expired the timer of a vCPU that is not on its PE is due: look at the PPIs that the PE has pending */
  constructor(kind: VmTimerKind, pe: Pe, clock: Clock, expired: () => void) {
    this.#kind = kind;
    this.#pe = pe;
    this.#clock = clock;
    this.#expired = expired;
  }

  /** INTID of its PPI, at the PE and in the VM. */
  get ppi(): number {
    return this.#kind.ppi;
  }

  /** The PE raised its PPI for EL2. */
  interrupt(): void {
    this.#pe.acknowledge(this.#kind.ppi);
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
    const { control, compare, offset } = this.#kind;
    if ((pe.read(control) & (ENABLE | IMASK)) !== ENABLE) {
      this.#disarm();
      return;
    }
    const deadline = Number(BigInt.asUintN(64, pe.read(compare) + (offset === undefined ? 0n : pe.read(offset))));
    if (this.#armed?.deadline === deadline) return;
    this.#disarm();
    if (deadline > Number.MAX_SAFE_INTEGER) return;
    if (deadline <= this.#clock.now()) {
      this.#due();
      return;
    }
    this.#armed = this.#clock.at(deadline, () => {
      this.#armed = undefined;
      this.#due();
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

  #due(): void {
    // On its PE the PPI does it; when the PPI is active the guest has not ended the last one.
    if (!this.#onPe) this.#expired();
  }

  /** The condition, for an interrupt that was pending but could not be delivered. Gone: the PPI is ours to end. */
  #isAsserted(): boolean {
    const asserted = (this.#pe.read(this.#kind.control) & (ENABLE | IMASK | ISTATUS)) === (ENABLE | ISTATUS);
    if (!asserted) this.#pe.deactivate(this.#kind.ppi);
    return asserted;
  }
}
