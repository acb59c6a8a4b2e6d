/**
 * GICD: the distributor's 64 KiB register frame, one security state (GICD_CTLR.DS = 1), affinity routing always on.
 * Differs: LPIs, MBIS, extended SPIs and 1-of-N are absent and read so in GICD_TYPER.
 * Source: IHI 0069H §12.9; gunyah-hypervisor hyp/vm/vgic/src/vdevice.c
 */

import type { Delivery } from "./deliver.ts";
import { IIDR, type InterruptFrames, identificationRegister } from "./frames.ts";
import { type InterruptTable, SPI_BASE } from "./interrupt-table.ts";

const CTLR_DS = 1 << 6;
const CTLR_ARE = 1 << 4;
const CTLR_ENABLES = 0b11;
/** TYPER: IDbits 23:19 = 15 (16 bits), A3V, No1N. */
const TYPER = (15 << 19) | (1 << 24) | (1 << 25);

/**
 * Widths of the distributor's registers: 4 bytes everywhere, 8 for IROUTER, 1 for IPRIORITYR, ITARGETSR, CPENDSGIR
 * and SPENDSGIR, 2 for SETSPI_NSR and CLRSPI_NSR. Other accesses fault.
 * Source: IHI 0069H §12.1.3; gunyah-hypervisor hyp/vm/vgic/src/vdevice.c, gicd_access_allowed
 */
export function distributorAllows(offset: number, size: number): boolean {
  if (size === 4) return true;
  if (size === 8) return offset >= 0x6000 && offset < 0x8000;
  if (size === 2) return offset === 0x40 || offset === 0x48;
  return (offset >= 0x400 && offset < 0xc00) || (offset >= 0xf10 && offset < 0xf30);
}

export class Distributor {
  readonly #table: InterruptTable;
  readonly #delivery: Delivery;
  readonly #frames: InterruptFrames;
  readonly #indexOf: (aff: number, aff3: number) => number;

  /** @param indexOf vCPU index of an affinity (Aff2.Aff1.Aff0, Aff3), -1 for none */
  constructor(
    table: InterruptTable,
    delivery: Delivery,
    frames: InterruptFrames,
    indexOf: (aff: number, aff3: number) => number,
  ) {
    this.#table = table;
    this.#delivery = delivery;
    this.#frames = frames;
    this.#indexOf = indexOf;
  }

  /** Read a 32-bit register; reserved and unknown ones are zero. */
  read32(offset: number): number {
    if (offset >= 0x80 && offset < 0x400) {
      const intid = (offset & 0x7f) * 8;
      const slot = this.#slot(intid);
      return slot < 0 ? 0 : this.#frames.read(offset, slot, this.#count(intid, 32));
    }
    if (offset >= 0x400 && offset < 0x800) {
      let value = 0;
      for (let i = 3; i >= 0; i--) value = (value << 8) | this.read8(offset + i);
      return value >>> 0;
    }
    if (offset >= 0xc00 && offset < 0xd00) {
      const intid = (offset - 0xc00) * 4;
      const slot = this.#slot(intid);
      return slot < 0 ? 0 : this.#frames.readConfig(slot, this.#count(intid, 16));
    }
    if (offset >= 0x6000 && offset < 0x8000) {
      const spi = ((offset - 0x6000) >>> 3) - SPI_BASE;
      if (spi < 0 || spi >= this.#table.spiCount) return 0;
      return ((offset & 4) !== 0 ? this.#table.routeHigh : this.#table.routeLow)[spi]!;
    }
    switch (offset) {
      case 0x0000:
        return CTLR_DS | CTLR_ARE | this.#delivery.groupEnables;
      case 0x0004:
        return TYPER | (((this.#table.spiCount + SPI_BASE + 31) >>> 5) - 1);
      case 0x0008:
        return IIDR;
      default:
        return identificationRegister(offset) ?? 0;
    }
  }

  write32(offset: number, value: number): void {
    if (offset >= 0x80 && offset < 0x400) {
      const intid = (offset & 0x7f) * 8;
      const slot = this.#slot(intid);
      if (slot >= 0) this.#frames.write(offset, slot, this.#count(intid, 32), value);
    } else if (offset >= 0x400 && offset < 0x800) {
      for (let i = 0; i < 4; i++) this.write8(offset + i, (value >>> (8 * i)) & 0xff);
    } else if (offset >= 0xc00 && offset < 0xd00) {
      const intid = (offset - 0xc00) * 4;
      const slot = this.#slot(intid);
      if (slot >= 0) this.#frames.writeConfig(slot, this.#count(intid, 16), value);
    } else if (offset >= 0x6000 && offset < 0x8000) {
      this.#writeRoute(((offset - 0x6000) >>> 3) - SPI_BASE, (offset & 4) !== 0, value);
    } else if (offset === 0) {
      const enables = value & CTLR_ENABLES;
      if (enables === this.#delivery.groupEnables) return;
      this.#delivery.groupEnables = enables;
      this.#delivery.updateAll();
    }
  }

  /** Byte access: IPRIORITYR only, the others read as zero. */
  read8(offset: number): number {
    const slot = offset >= 0x400 && offset < 0x800 ? this.#slot(offset - 0x400) : -1;
    return slot < 0 ? 0 : this.#frames.readPriority(slot);
  }

  write8(offset: number, value: number): void {
    const slot = offset >= 0x400 && offset < 0x800 ? this.#slot(offset - 0x400) : -1;
    if (slot >= 0) this.#frames.writePriority(slot, value);
  }

  /** Private interrupts are RAZ/WI here: affinity routing is on. */
  #slot(intid: number): number {
    return intid < SPI_BASE ? -1 : this.#table.slotOf(0, intid);
  }

  #count(intid: number, most: number): number {
    return Math.min(most, this.#table.spiCount + SPI_BASE - intid);
  }

  #writeRoute(spi: number, high: boolean, value: number): void {
    const table = this.#table;
    if (spi < 0 || spi >= table.spiCount) return;
    // IRM (bit 31) is RES0: No1N.
    if (high) table.routeHigh[spi] = value & 0xff;
    else table.routeLow[spi] = value & 0xff_ffff;
    const slot = table.spiSlot + spi;
    table.target[slot] = this.#indexOf(table.routeLow[spi]!, table.routeHigh[spi]!);
    this.#delivery.update(slot);
  }
}
