/**
 * A physical SPI that a VM may be given. Devices of the board assert it; it reaches the VM whose VIC it is bound to.
 * Source: gunyah-hypervisor hyp/interfaces/irq, hyp/vm/vic_forward_hwirq
 */

import type { Intid } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { VirqSource } from "../virq/virq-source.ts";

export class Hwirq extends HypObject {
  static readonly TYPE = "hwirq";
  override readonly type = Hwirq.TYPE;
  readonly intid: Intid;
  readonly source = new VirqSource((reasserted) => this.#level || reasserted);
  #level = false;

  constructor(core: HypCore, partition: Partition, intid: Intid) {
    super(core, partition, 128);
    this.intid = intid;
  }

  /** The device drives its line. */
  setLevel(high: boolean): void {
    this.#level = high;
    if (high) this.source.assert();
    else this.source.clear();
  }

  protected override onCleanup(): void {
    this.source.unbind();
  }
}
