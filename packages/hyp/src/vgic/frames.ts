/**
 * Register blocks that distributor and redistributor share: one bit, two bits or one byte for each interrupt.
 * Source: IHI 0069H §12.8 (GICD), §12.10 (GICR)
 */

import type { Delivery } from "./deliver.ts";
import { type InterruptTable, IrqFlag } from "./interrupt-table.ts";

/** Peripheral and component identification of both frames; PIDR2.ArchRev 3 is GICv3. Source: IHI 0069H §12.1.2 */
export function identificationRegister(offset: number): number | undefined {
  switch (offset) {
    case 0xffd0:
      return 0x44;
    case 0xffe0:
      return 0x92;
    case 0xffe4:
      return 0xb4;
    case 0xffe8:
      return 0x3b;
    case 0xfff0:
      return 0x0d;
    case 0xfff4:
      return 0xf0;
    case 0xfff8:
      return 0x05;
    case 0xfffc:
      return 0xb1;
    default:
      return undefined;
  }
}

/** GICD_IIDR and GICR_IIDR: product 'G', implementer 0x070. Source: gunyah-hypervisor hyp/vm/vgic/src/vdevice.c */
export const IIDR = (0x47 << 24) | 0x070;

/** Priority bits that the CPU interface implements: the upper 5. */
const PRIORITY_MASK = 0xf8;

/** Registers for each interrupt, over 32 slots at a time. */
export class InterruptFrames {
  readonly #table: InterruptTable;
  readonly #delivery: Delivery;

  constructor(table: InterruptTable, delivery: Delivery) {
    this.#table = table;
    this.#delivery = delivery;
  }

  /**
   * Read one of IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR or ICFGR.
   *
   * @param offset offset in the frame, word aligned
   * @param slot slot of the register's first interrupt, given the offset of that register's first word
   * @returns the word, or -1 when the offset is none of them
   */
  read(offset: number, slot: number, count: number): number {
    switch (offset >>> 7) {
      case 0x080 >>> 7:
        return this.#bits(slot, count, IrqFlag.GROUP1);
      case 0x100 >>> 7:
      case 0x180 >>> 7:
        return this.#bits(slot, count, IrqFlag.ENABLED);
      case 0x200 >>> 7:
      case 0x280 >>> 7:
        return this.#query(slot, count, (s) => this.#delivery.isPending(s));
      case 0x300 >>> 7:
      case 0x380 >>> 7:
        return this.#query(slot, count, (s) => this.#delivery.isActive(s));
      default:
        return -1;
    }
  }

  /** Write one of the registers of `read`. @returns false when the offset is none of them */
  write(offset: number, slot: number, count: number, value: number): boolean {
    const table = this.#table;
    const delivery = this.#delivery;
    const block = offset >>> 7;
    if (block < 1 || block > 7) return false;
    // IGROUPR is a value; the others act on the bits that are 1.
    let bits = block === 1 ? 0xffff_ffff : value >>> 0;
    if (count < 32) bits &= (1 << count) - 1;
    while (bits !== 0) {
      const i = 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      const s = slot + i;
      const flags = table.flags[s]!;
      switch (block) {
        case 1: {
          const next = (value & (1 << i)) !== 0 ? flags | IrqFlag.GROUP1 : flags & ~IrqFlag.GROUP1;
          if (next === flags) break;
          delivery.requeue(s, () => {
            table.flags[s]! ^= IrqFlag.GROUP1;
          });
          break;
        }
        case 2:
          if ((flags & IrqFlag.ENABLED) === 0) {
            table.flags[s] = flags | IrqFlag.ENABLED;
            delivery.update(s);
          }
          break;
        case 3:
          if ((flags & IrqFlag.ENABLED) !== 0) {
            table.flags[s] = flags & ~IrqFlag.ENABLED;
            delivery.update(s);
          }
          break;
        case 4:
          delivery.setPending(s);
          break;
        case 5:
          delivery.clearPending(s);
          break;
        case 6:
          delivery.activate(s);
          break;
        default:
          delivery.deactivate(s);
      }
    }
    return true;
  }

  /** IPRIORITYR of one interrupt. */
  readPriority(slot: number): number {
    return this.#table.priority[slot]!;
  }

  writePriority(slot: number, value: number): void {
    const priority = value & PRIORITY_MASK;
    if (this.#table.priority[slot] === priority) return;
    this.#table.priority[slot] = priority;
    this.#delivery.update(slot);
  }

  /** ICFGR of 16 interrupts, 2 bits each: bit 1 set is edge-triggered. */
  readConfig(slot: number, count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) if ((this.#table.flags[slot + i]! & IrqFlag.EDGE) !== 0) value |= 2 << (2 * i);
    return value >>> 0;
  }

  writeConfig(slot: number, count: number, value: number): void {
    for (let i = 0; i < count; i++) {
      const edge = (value & (2 << (2 * i))) !== 0;
      const s = slot + i;
      if (((this.#table.flags[s]! & IrqFlag.EDGE) !== 0) === edge) continue;
      this.#delivery.requeue(s, () => {
        const flags = this.#table.flags[s]! ^ IrqFlag.EDGE;
        // A level begins where its source stands now.
        const level = !edge && this.#table.sources[s]?.checkPending(false) === true;
        this.#table.flags[s] = level ? flags | IrqFlag.LEVEL : flags & ~IrqFlag.LEVEL;
      });
    }
  }

  #bits(slot: number, count: number, flag: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) if ((this.#table.flags[slot + i]! & flag) !== 0) value |= 1 << i;
    return value >>> 0;
  }

  #query(slot: number, count: number, test: (slot: number) => boolean): number {
    let value = 0;
    for (let i = 0; i < count; i++) if (test(slot + i)) value |= 1 << i;
    return value >>> 0;
  }
}
