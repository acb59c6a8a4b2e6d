/**
 * The overflow interrupt of a vCPU's performance counters: the PPI of its PE, forwarded as a hardware interrupt. The counters
 * themselves are the guest's, without a trap (MDCR_EL2.{TPM, TPMCR} 0): a vCPU has its PE for itself.
 * Source: DDI 0487 K.a D13.4 (PMUIRQ)
 */
import { type Pe, PePpi } from "@gunyah-ts/kernel";
import { VirqSource } from "../virq/virq-source.ts";

const PMCR_E = 1n;

export class PmuInterrupt {
  readonly #pe: Pe;
  /** The guest's EOI deactivates the PPI of its PE. */
  readonly source = new VirqSource(() => this.#isAsserted());

  constructor(pe: Pe) {
    this.#pe = pe;
  }

  /** The PE raised its PPI for EL2. */
  interrupt(): void {
    this.#pe.acknowledge(PePpi.PMU);
    this.source.assert();
  }

  dispose(): void {
    this.source.unbind();
  }

  /** The condition, for an interrupt that was pending but could not be delivered. Gone: the PPI is ours to end. */
  #isAsserted(): boolean {
    const pe = this.#pe;
    const asserted =
      (pe.read("PMCR_EL0") & PMCR_E) !== 0n && (pe.read("PMOVSSET_EL0") & pe.read("PMINTENSET_EL1")) !== 0n;
    if (!asserted) pe.deactivate(PePpi.PMU);
    return asserted;
  }
}
