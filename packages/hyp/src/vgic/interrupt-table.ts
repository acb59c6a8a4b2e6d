/**
 * State of every interrupt of one virtual GIC, as parallel arrays indexed by *slot*: 32 private interrupts
 * of each vCPU first, then the shared ones.
 * Source: IHI 0069H §4.1 (states), §4.7 (routing), §4.8 (priority)
 */

import type { VirqSource } from "../virq/virq-source.ts";

/** Bits of `InterruptTable.flags`. */
export const IrqFlag = {
  ENABLED: 1 << 0,
  /** Group 1; otherwise group 0. */
  GROUP1: 1 << 1,
  /** Edge-triggered; otherwise level-sensitive. */
  EDGE: 1 << 2,
  /** The pending latch: an edge, or a write to ISPENDR. */
  PENDING: 1 << 3,
  /** The source holds its level. */
  LEVEL: 1 << 4,
  /** Active, and not in a list register. */
  ACTIVE: 1 << 5,
  /** Backed by a physical interrupt of the same INTID, which the guest's EOI deactivates. */
  HARDWARE: 1 << 6,
  /** Asserted again by its source since it was delivered. */
  REASSERTED: 1 << 7,
} as const;

export const SPI_BASE = 32;
/** SPIs of a GICv3 without extended ranges: INTID 32-1019. */
export const SPI_COUNT = 988;
export const SGI_COUNT = 16;

export class InterruptTable {
  readonly vcpuCount: number;
  readonly spiCount: number;
  readonly slotCount: number;
  /** First slot of the shared interrupts. */
  readonly spiSlot: number;
  /** `IrqFlag` bits. */
  readonly flags: Uint8Array;
  /** 8 bits, 0 is highest; 5 are implemented (the list registers' preemption granularity). */
  readonly priority: Uint8Array;
  /** GICD_IROUTER, low (Aff2.Aff1.Aff0) and high (Aff3) words; shared slots only. */
  readonly routeLow: Uint32Array;
  readonly routeHigh: Uint32Array;
  /** vCPU index that the interrupt goes to, -1 when no vCPU has that affinity. */
  readonly target: Int16Array;
  /** vCPU index and list register that hold it, -1 when none does. */
  readonly listedCpu: Int16Array;
  readonly listedLr: Int8Array;
  readonly sources: (VirqSource | undefined)[];
  /** One bit a slot: deliverable and waiting for a list register. */
  readonly waiting: Uint32Array;

  /**
   * @param vcpuCount 1 or more
   * @param spiCount 0-988
   */
  constructor(vcpuCount: number, spiCount: number) {
    this.vcpuCount = vcpuCount;
    this.spiCount = spiCount;
    this.spiSlot = vcpuCount * 32;
    const n = this.spiSlot + spiCount;
    this.slotCount = n;
    this.flags = new Uint8Array(n);
    this.priority = new Uint8Array(n);
    this.routeLow = new Uint32Array(spiCount);
    this.routeHigh = new Uint32Array(spiCount);
    this.target = new Int16Array(n);
    this.listedCpu = new Int16Array(n).fill(-1);
    this.listedLr = new Int8Array(n).fill(-1);
    this.sources = new Array<VirqSource | undefined>(n).fill(undefined);
    this.waiting = new Uint32Array((n + 31) >>> 5);
    for (let cpu = 0; cpu < vcpuCount; cpu++) {
      this.target.fill(cpu, cpu * 32, cpu * 32 + 32);
      // SGIs are always edge-triggered. Source: IHI 0069H §12.11.7, GICR_ICFGR0
      this.flags.fill(IrqFlag.EDGE, cpu * 32, cpu * 32 + SGI_COUNT);
    }
  }

  /** Slot of an INTID as vCPU `cpu` sees it, -1 when there is no such interrupt. */
  slotOf(cpu: number, intid: number): number {
    if (intid < SPI_BASE) return cpu * 32 + intid;
    const spi = intid - SPI_BASE;
    return spi < this.spiCount ? this.spiSlot + spi : -1;
  }

  intidOf(slot: number): number {
    return slot < this.spiSlot ? slot & 31 : slot - this.spiSlot + SPI_BASE;
  }
}
