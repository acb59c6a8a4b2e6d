/**
 * GICR: one vCPU's redistributor, RD_base and SGI_base frames of 64 KiB each. No LPIs.
 * Source: IHI 0069H §12.10, §12.11
 */

import { GicFrame } from "@gunyah-ts/abi";
import type { InterruptFrames } from "./frames.ts";
import { IIDR, identificationRegister } from "./frames.ts";

const SGI_BASE = GicFrame.SGI_OFFSET;

/** 64-bit registers of RD_base: TYPER, SETLPIR, CLRLPIR, PROPBASER, PENDBASER, INVLPIR, INVALLR. */
const DOUBLEWORDS: readonly number[] = [0x08, 0x40, 0x48, 0x70, 0x78, 0xa0, 0xb0];

/**
 * Widths of a redistributor's registers: 4 bytes everywhere, 8 for the 64-bit ones, 1 for IPRIORITYR. Other accesses
 * fault.
 * Source: IHI 0069H §12.1.3; gunyah-hypervisor hyp/vm/vgic/src/vdevice.c, gicr_access_allowed
 */
export function redistributorAllows(offset: number, size: number): boolean {
  if (size === 4) return true;
  if (size === 8) return DOUBLEWORDS.includes(offset);
  return size === 1 && offset >= SGI_BASE + 0x400 && offset < SGI_BASE + 0x420;
}

export class Redistributor {
  readonly #frames: InterruptFrames;
  readonly #slot: number;
  readonly #index: number;
  readonly #isLast: boolean;
  readonly #affinity: number;
  /** GICR_WAKER.ProcessorSleep. The reset value is 1: software wakes the redistributor first. */
  #asleep = true;

  /** @param affinity Aff3.Aff2.Aff1.Aff0, 32 bits */
  constructor(frames: InterruptFrames, index: number, isLast: boolean, affinity: number) {
    this.#frames = frames;
    this.#index = index;
    this.#slot = index * 32;
    this.#isLast = isLast;
    this.#affinity = affinity;
  }

  read32(offset: number): number {
    if (offset >= SGI_BASE) return this.#readSgi(offset - SGI_BASE);
    switch (offset) {
      case 0x04:
        return IIDR;
      case 0x08:
        return (this.#isLast ? 1 << 4 : 0) | (this.#index << 8);
      case 0x0c:
        return this.#affinity;
      case 0x14:
        return this.#asleep ? 0b110 : 0;
      default:
        return identificationRegister(offset) ?? 0;
    }
  }

  write32(offset: number, value: number): void {
    if (offset >= SGI_BASE) this.#writeSgi(offset - SGI_BASE, value);
    else if (offset === 0x14) this.#asleep = (value & 0b10) !== 0;
  }

  read8(offset: number): number {
    const i = offset - SGI_BASE - 0x400;
    return i >= 0 && i < 32 ? this.#frames.readPriority(this.#slot + i) : 0;
  }

  write8(offset: number, value: number): void {
    const i = offset - SGI_BASE - 0x400;
    if (i >= 0 && i < 32) this.#frames.writePriority(this.#slot + i, value);
  }

  #readSgi(offset: number): number {
    if (offset >= 0x80 && offset < 0x400) return (offset & 0x7f) === 0 ? this.#frames.read(offset, this.#slot, 32) : 0;
    if (offset >= 0x400 && offset < 0x420) {
      let value = 0;
      for (let i = 3; i >= 0; i--) value = (value << 8) | this.#frames.readPriority(this.#slot + offset - 0x400 + i);
      return value >>> 0;
    }
    if (offset === 0xc00) return this.#frames.readConfig(this.#slot, 16);
    if (offset === 0xc04) return this.#frames.readConfig(this.#slot + 16, 16);
    return identificationRegister(offset) ?? 0;
  }

  #writeSgi(offset: number, value: number): void {
    if (offset >= 0x80 && offset < 0x400) {
      if ((offset & 0x7f) === 0) this.#frames.write(offset, this.#slot, 32, value);
    } else if (offset >= 0x400 && offset < 0x420) {
      for (let i = 0; i < 4; i++)
        this.#frames.writePriority(this.#slot + offset - 0x400 + i, (value >>> (8 * i)) & 0xff);
    } else if (offset === 0xc04) {
      this.#frames.writeConfig(this.#slot + 16, 16, value);
    }
  }
}
