/**
 * From pending to a list register and back: which interrupts of a virtual GIC are in which vCPU's list registers.
 *
 * List registers are the truth for an interrupt that is in one: the guest acknowledges and ends it there without
 * an exit, so state is read back (`sync`) before anything that depends on it.
 * Source: IHI 0069H §6.3 (virtual interrupts), gunyah-hypervisor hyp/vm/vgic/src/deliver.c
 */

import { type InterruptTable, IrqFlag } from "./interrupt-table.ts";
import { type ListRegisters, LrHigh, LrState, lrPriority, lrState, RefillWhen } from "./list-registers.ts";

/** The vCPU side of delivery: list registers, and what they hold. */
export class VgicCpu {
  readonly index: number;
  readonly lrs: ListRegisters;
  /** Slot in each list register. */
  readonly slots: Int32Array;
  /** Bit n: list register n is in use. */
  used = 0;
  /** Bit n: list register n was written pending, and the acknowledge has not been seen. */
  offered = 0;
  /** Deliverable interrupts wait for a list register. */
  overflow = false;
  readonly #listed: () => void;

  /** @param listed called after an interrupt was put into a list register: wake the vCPU */
  constructor(index: number, lrs: ListRegisters, listed: () => void) {
    this.index = index;
    this.lrs = lrs;
    this.slots = new Int32Array(lrs.listRegisterCount).fill(-1);
    this.#listed = listed;
  }

  notifyListed(): void {
    this.#listed();
  }
}

export class Delivery {
  readonly #table: InterruptTable;
  readonly #cpus: readonly (VgicCpu | undefined)[];
  /** GICD_CTLR.EnableGrp0 (bit 0) and EnableGrp1 (bit 1). */
  groupEnables = 0;

  constructor(table: InterruptTable, cpus: readonly (VgicCpu | undefined)[]) {
    this.#table = table;
    this.#cpus = cpus;
  }

  /** Whether the interrupt is pending, list registers included. */
  isPending(slot: number): boolean {
    this.#syncSlot(slot);
    this.#followHardware(slot);
    return pending(this.#table.flags[slot]!);
  }

  /** A hardware level falls without an exit, so it is looked at: pending and not yet acknowledged, it is withdrawn. */
  #followHardware(slot: number): void {
    const flags = this.#table.flags[slot]!;
    if ((flags & (IrqFlag.HARDWARE | IrqFlag.LEVEL)) !== (IrqFlag.HARDWARE | IrqFlag.LEVEL) || this.isActive(slot))
      return;
    if (this.#table.sources[slot]?.checkPending(false) === false) this.clearLevel(slot);
  }

  /** Whether the interrupt is active, list registers included. */
  isActive(slot: number): boolean {
    this.#syncSlot(slot);
    if ((this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0) return true;
    const cpu = this.#listedIn(slot);
    return cpu !== undefined && (lrState(this.#high(cpu, slot)) & LrState.ACTIVE) !== 0;
  }

  /** State, enable, priority, route or group of an interrupt changed: put it where it now belongs. */
  update(slot: number): void {
    this.#syncSlot(slot);
    const table = this.#table;
    const cpu = this.#listedIn(slot);
    if (cpu === undefined) {
      if (this.#ready(slot)) this.#list(slot);
      else this.#setWaiting(slot, false);
      return;
    }
    const n = table.listedLr[slot]!;
    const lr = cpu.lrs.listRegisters;
    const high = lr[2 * n + 1]!;
    const state = lrState(high);
    if ((state & LrState.PENDING) !== 0) {
      if (!this.#ready(slot) || table.target[slot] !== cpu.index) {
        this.#withdraw(cpu, n);
        if (this.#listedIn(slot) === undefined && this.#ready(slot)) this.#list(slot);
      } else if (lrPriority(high) !== table.priority[slot]) {
        lr[2 * n + 1] = (high & ~(0xff << LrHigh.PRIORITY_SHIFT)) | (table.priority[slot]! << LrHigh.PRIORITY_SHIFT);
        cpu.lrs.listRegistersChanged();
      }
      return;
    }
    // Active only. A level is looked at again when it ends; an edge or a software latch is pending beside it.
    const flags = table.flags[slot]!;
    if ((flags & IrqFlag.PENDING) !== 0 && (flags & IrqFlag.HARDWARE) === 0 && this.#ready(slot)) {
      lr[2 * n + 1] = high | LrHigh.PENDING;
      cpu.offered |= 1 << n;
      cpu.lrs.listRegistersChanged();
    }
  }

  /** Re-evaluate every interrupt: a group was enabled or disabled, or a vCPU came. */
  updateAll(): void {
    for (let slot = 0; slot < this.#table.slotCount; slot++) this.update(slot);
  }

  /** Set the pending latch: an edge of the source, a write to ISPENDR, an SGI. @returns whether it was not pending */
  setPending(slot: number): boolean {
    this.#syncSlot(slot);
    const flags = this.#table.flags[slot]!;
    if ((flags & IrqFlag.PENDING) !== 0) return false;
    this.#table.flags[slot] = flags | IrqFlag.PENDING;
    this.update(slot);
    return !pending(flags);
  }

  /** Clear the pending latch (ICPENDR). A level that is still asserted stays pending. */
  clearPending(slot: number): void {
    this.#syncSlot(slot);
    this.#table.flags[slot]! &= ~IrqFlag.PENDING;
    this.update(slot);
  }

  /** The source asserts its level. @returns whether the interrupt was not pending */
  setLevel(slot: number): boolean {
    this.#syncSlot(slot);
    const flags = this.#table.flags[slot]!;
    this.#table.flags[slot] = flags | IrqFlag.LEVEL | ((flags & IrqFlag.LEVEL) !== 0 ? IrqFlag.REASSERTED : 0);
    if (pending(flags)) return false;
    this.update(slot);
    return true;
  }

  clearLevel(slot: number): void {
    this.#syncSlot(slot);
    if ((this.#table.flags[slot]! & IrqFlag.LEVEL) === 0) return;
    this.#table.flags[slot]! &= ~(IrqFlag.LEVEL | IrqFlag.REASSERTED);
    this.update(slot);
  }

  /** Change something that list registers hold a copy of (group, trigger): take the interrupt out, change, put it back. */
  requeue(slot: number, change: () => void): void {
    this.#syncSlot(slot);
    const cpu = this.#listedIn(slot);
    if (cpu !== undefined) this.#clear(cpu, this.#table.listedLr[slot]!);
    change();
    if ((this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0) {
      this.#table.flags[slot]! &= ~IrqFlag.ACTIVE;
      this.activate(slot);
    } else {
      this.update(slot);
    }
  }

  /** Make an interrupt active (GICD_ISACTIVER). */
  activate(slot: number): void {
    this.#syncSlot(slot);
    const cpu = this.#listedIn(slot);
    if (cpu !== undefined) {
      const n = this.#table.listedLr[slot]!;
      cpu.lrs.listRegisters[2 * n + 1]! |= LrHigh.ACTIVE;
      cpu.lrs.listRegistersChanged();
      return;
    }
    const target = this.#cpuOf(slot);
    const n = target === undefined ? -1 : this.#freeLr(target);
    if (target !== undefined && n >= 0) {
      // In a list register, so that the guest's EOI or DIR finds it.
      this.#write(target, n, slot, LrHigh.ACTIVE);
      this.update(slot);
    } else {
      this.#table.flags[slot]! |= IrqFlag.ACTIVE;
      this.#setWaiting(slot, false);
    }
  }

  /** Make an interrupt inactive (GICD_ICACTIVER). */
  deactivate(slot: number): void {
    this.#syncSlot(slot);
    this.#table.flags[slot]! &= ~IrqFlag.ACTIVE;
    const cpu = this.#listedIn(slot);
    if (cpu !== undefined) {
      const n = this.#table.listedLr[slot]!;
      const lr = cpu.lrs.listRegisters;
      lr[2 * n + 1] = lr[2 * n + 1]! & ~LrHigh.ACTIVE;
      cpu.lrs.listRegistersChanged();
    }
    this.update(slot);
  }

  /** Read back the list registers of a vCPU and refill the free ones. Call on maintenance interrupts. */
  syncCpu(cpu: VgicCpu): void {
    let used = cpu.used;
    while (used !== 0) {
      const n = 31 - Math.clz32(used & -used);
      used &= used - 1;
      this.#syncLr(cpu, n);
    }
    if (cpu.overflow) this.#refill(cpu);
    if (cpu.overflow) cpu.lrs.setRefill(this.#anyPending(cpu) ? RefillWhen.NONE_PENDING : RefillWhen.UNDERFLOW);
  }

  /** Whether any enabled interrupt is pending for this vCPU, its CPU interface settings aside. */
  hasPending(cpu: VgicCpu): boolean {
    return cpu.overflow || this.#anyPending(cpu);
  }

  #anyPending(cpu: VgicCpu): boolean {
    for (let n = 0; n < cpu.slots.length; n++) {
      if ((cpu.used & (1 << n)) !== 0 && (cpu.lrs.listRegisters[2 * n + 1]! & LrHigh.PENDING) !== 0) return true;
    }
    return false;
  }

  /** Take every interrupt out of a vCPU's list registers: it goes away. */
  releaseCpu(cpu: VgicCpu): void {
    for (let n = 0; n < cpu.slots.length; n++) {
      if ((cpu.used & (1 << n)) === 0) continue;
      this.#syncLr(cpu, n);
      if ((cpu.used & (1 << n)) === 0) continue;
      this.#clear(cpu, n);
    }
  }

  #cpuOf(slot: number): VgicCpu | undefined {
    const target = this.#table.target[slot]!;
    return target < 0 ? undefined : this.#cpus[target];
  }

  #listedIn(slot: number): VgicCpu | undefined {
    const index = this.#table.listedCpu[slot]!;
    return index < 0 ? undefined : this.#cpus[index];
  }

  #high(cpu: VgicCpu, slot: number): number {
    return cpu.lrs.listRegisters[2 * this.#table.listedLr[slot]! + 1]!;
  }

  /** Pending, enabled, in an enabled group; whether it is active in a list register does not matter. */
  #ready(slot: number): boolean {
    const flags = this.#table.flags[slot]!;
    return (
      (flags & IrqFlag.ENABLED) !== 0 &&
      (flags & IrqFlag.ACTIVE) === 0 &&
      pending(flags) &&
      (this.groupEnables & ((flags & IrqFlag.GROUP1) !== 0 ? 2 : 1)) !== 0
    );
  }

  #setWaiting(slot: number, waiting: boolean): void {
    const bit = 1 << (slot & 31);
    if (waiting) this.#table.waiting[slot >>> 5]! |= bit;
    else this.#table.waiting[slot >>> 5]! &= ~bit;
  }

  #list(slot: number): void {
    const cpu = this.#cpuOf(slot);
    if (cpu === undefined) {
      this.#setWaiting(slot, true);
      return;
    }
    const flags = this.#table.flags[slot]!;
    if ((flags & IrqFlag.HARDWARE) !== 0 && this.#table.sources[slot]?.checkPending(true) === false) {
      // The physical level went away while the interrupt could not be delivered.
      this.#table.flags[slot]! &= ~(IrqFlag.LEVEL | IrqFlag.REASSERTED);
      this.#setWaiting(slot, false);
      return;
    }
    let n = this.#freeLr(cpu);
    if (n < 0) n = this.#evictFor(cpu, this.#table.priority[slot]!);
    if (n < 0) {
      this.#setWaiting(slot, true);
      this.#overflow(cpu);
      return;
    }
    this.#setWaiting(slot, false);
    this.#write(cpu, n, slot, LrHigh.PENDING);
    cpu.notifyListed();
  }

  #freeLr(cpu: VgicCpu): number {
    const all = (1 << cpu.slots.length) - 1;
    let free = ~cpu.used & all;
    if (free === 0) {
      for (let n = 0; n < cpu.slots.length; n++) this.#syncLr(cpu, n);
      free = ~cpu.used & all;
    }
    return free === 0 ? -1 : 31 - Math.clz32(free & -free);
  }

  /** Make room for an interrupt of `priority` by taking out a pending one of lower priority. */
  #evictFor(cpu: VgicCpu, priority: number): number {
    let worst = -1;
    let worstPriority = priority;
    for (let n = 0; n < cpu.slots.length; n++) {
      const high = cpu.lrs.listRegisters[2 * n + 1]!;
      if (lrState(high) === LrState.PENDING && lrPriority(high) > worstPriority) {
        worst = n;
        worstPriority = lrPriority(high);
      }
    }
    if (worst >= 0) {
      const slot = cpu.slots[worst]!;
      this.#clear(cpu, worst);
      this.#setWaiting(slot, true);
      this.#overflow(cpu);
    }
    return worst;
  }

  #overflow(cpu: VgicCpu): void {
    if (cpu.overflow) return;
    cpu.overflow = true;
    cpu.lrs.setRefill(RefillWhen.NONE_PENDING);
  }

  /** Offer waiting interrupts, highest priority first, while list registers are free. */
  // Differs: an active interrupt keeps its list register; when all are active, a further one waits until one is free.
  #refill(cpu: VgicCpu): void {
    for (;;) {
      const slot = this.#bestWaiting(cpu.index);
      if (slot < 0) {
        cpu.overflow = false;
        cpu.lrs.setRefill(RefillWhen.NEVER);
        return;
      }
      if (this.#freeLr(cpu) < 0) return;
      if (this.#ready(slot)) this.#list(slot);
      else this.#setWaiting(slot, false);
    }
  }

  #bestWaiting(cpu: number): number {
    const table = this.#table;
    let best = -1;
    for (let word = 0; word < table.waiting.length; word++) {
      let bits = table.waiting[word]!;
      while (bits !== 0) {
        const slot = word * 32 + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (table.target[slot] !== cpu) continue;
        if (best < 0 || table.priority[slot]! < table.priority[best]!) best = slot;
      }
    }
    return best;
  }

  #write(cpu: VgicCpu, n: number, slot: number, state: number): void {
    const table = this.#table;
    const flags = table.flags[slot]!;
    const intid = table.intidOf(slot);
    let high = state | (table.priority[slot]! << LrHigh.PRIORITY_SHIFT);
    if ((flags & IrqFlag.GROUP1) !== 0) high |= LrHigh.GROUP1;
    if ((flags & IrqFlag.HARDWARE) !== 0) high |= LrHigh.HW | intid;
    else if ((flags & IrqFlag.EDGE) === 0) high |= LrHigh.EOI;
    cpu.lrs.listRegisters[2 * n] = intid;
    cpu.lrs.listRegisters[2 * n + 1] = high;
    cpu.slots[n] = slot;
    cpu.used |= 1 << n;
    if ((state & LrHigh.PENDING) !== 0) cpu.offered |= 1 << n;
    table.listedCpu[slot] = cpu.index;
    table.listedLr[slot] = n;
    table.flags[slot]! &= ~IrqFlag.REASSERTED;
    cpu.lrs.listRegistersChanged();
  }

  /** Empty list register n; what it held stays pending or active in the table. */
  #clear(cpu: VgicCpu, n: number): void {
    const slot = cpu.slots[n]!;
    const state = lrState(cpu.lrs.listRegisters[2 * n + 1]!);
    if ((state & LrState.ACTIVE) !== 0) this.#table.flags[slot]! |= IrqFlag.ACTIVE;
    cpu.lrs.listRegisters[2 * n + 1] = 0;
    this.#unlist(cpu, n);
    cpu.lrs.listRegistersChanged();
  }

  /** Not to be delivered any more: drop the pending state from list register n, keep an active one. */
  #withdraw(cpu: VgicCpu, n: number): void {
    const high = cpu.lrs.listRegisters[2 * n + 1]!;
    if ((lrState(high) & LrState.ACTIVE) === 0) {
      this.#clear(cpu, n);
      return;
    }
    cpu.lrs.listRegisters[2 * n + 1] = high & ~LrHigh.PENDING;
    cpu.offered &= ~(1 << n);
    cpu.lrs.listRegistersChanged();
  }

  #unlist(cpu: VgicCpu, n: number): void {
    const slot = cpu.slots[n]!;
    cpu.slots[n] = -1;
    cpu.used &= ~(1 << n);
    cpu.offered &= ~(1 << n);
    this.#table.listedCpu[slot] = -1;
    this.#table.listedLr[slot] = -1;
  }

  #syncSlot(slot: number): void {
    const cpu = this.#listedIn(slot);
    if (cpu !== undefined) this.#syncLr(cpu, this.#table.listedLr[slot]!);
  }

  /** Learn what the guest did with list register n since it was last looked at. */
  #syncLr(cpu: VgicCpu, n: number): void {
    const slot = cpu.slots[n]!;
    if (slot < 0) return;
    const table = this.#table;
    const state = lrState(cpu.lrs.listRegisters[2 * n + 1]!);
    if ((cpu.offered & (1 << n)) !== 0 && (state & LrState.PENDING) === 0) {
      // Acknowledged: that consumes the latch.
      table.flags[slot]! &= ~IrqFlag.PENDING;
      cpu.offered &= ~(1 << n);
    }
    if (state !== LrState.INVALID) return;
    // An invalid list register with its EOI bit set keeps the maintenance interrupt asserted.
    cpu.lrs.listRegisters[2 * n + 1] = 0;
    this.#unlist(cpu, n);
    cpu.lrs.listRegistersChanged();
    const flags = table.flags[slot]!;
    if ((flags & IrqFlag.LEVEL) !== 0 && (flags & IrqFlag.EDGE) === 0) {
      // Ended. A hardware level raises its physical interrupt again by itself.
      const reasserted = (flags & IrqFlag.REASSERTED) !== 0;
      if ((flags & IrqFlag.HARDWARE) !== 0 || table.sources[slot]?.checkPending(reasserted) !== true) {
        table.flags[slot]! &= ~(IrqFlag.LEVEL | IrqFlag.REASSERTED);
      }
    }
    if (this.#ready(slot)) this.#list(slot);
  }
}

/** A latch, or the level of a level-sensitive interrupt. */
function pending(flags: number): boolean {
  return (flags & IrqFlag.PENDING) !== 0 || (flags & (IrqFlag.LEVEL | IrqFlag.EDGE)) === IrqFlag.LEVEL;
}
