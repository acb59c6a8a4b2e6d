/**
 * From pending to a list register and back: which interrupts of a virtual GIC are in which vCPU's list registers.
 *
 * List registers are the truth for an interrupt that is in one: the guest acknowledges and ends it there without
 * an exit, so state is read back (`sync`) before anything that depends on it. When all of them are active, the outermost
 * gives its place to what is pending, and its end is learnt from ICH_HCR_EL2.EOIcount.
 * Source: IHI 0069H §6.3 (virtual interrupts), gunyah-hypervisor hyp/vm/vgic/src/deliver.c
 */

import { type InterruptTable, IrqFlag } from "./interrupt-table.ts";
import { LrHigh, LrState, lrPriority, lrState } from "./list-registers.ts";
import { NOT_RUNNING, type VgicCpu } from "./vgic-cpu.ts";

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
      } else if (cpu.overflow && lrPriority(high) < table.priority[slot]! && state === LrState.PENDING) {
        // One that waits may go first now.
        this.#clear(cpu, n);
        this.#setWaiting(slot, true);
        this.#refill(cpu);
      } else if (lrPriority(high) !== table.priority[slot]) {
        lr[2 * n + 1] = (high & ~(0xff << LrHigh.PRIORITY_SHIFT)) | (table.priority[slot]! << LrHigh.PRIORITY_SHIFT);
        cpu.lrs.listRegistersChanged();
      }
      return;
    }
    // Active only. A level is looked at again when it ends; an edge or a software latch is pending beside it.
    const flags = table.flags[slot]!;
    if ((flags & IrqFlag.PENDING) !== 0 && (flags & IrqFlag.HARDWARE) === 0 && this.#ready(slot)) {
      if (cpu.overflow || table.target[slot] !== cpu.index) {
        this.#keepApart(cpu, n);
        return;
      }
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
    if (cpu !== undefined && (this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0) {
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
    if ((this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0) return;
    const target = this.#cpuOf(slot);
    const n = target === undefined ? -1 : this.#freeLr(target);
    if (target !== undefined && n >= 0) {
      // In a list register, so that the guest's EOI or DIR finds it.
      this.#write(target, n, slot, LrHigh.ACTIVE);
      this.update(slot);
    } else {
      this.#table.flags[slot]! |= IrqFlag.ACTIVE;
      target?.keepUnlisted(slot, NOT_RUNNING);
      this.#setWaiting(slot, false);
    }
  }

  /** Make an interrupt inactive: GICD_ICACTIVER, or ICC_DIR_EL1 where EL2 traps it. */
  deactivate(slot: number): void {
    this.#syncSlot(slot);
    if ((this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0) {
      this.#endUnlisted(slot);
      return;
    }
    const cpu = this.#listedIn(slot);
    if (cpu !== undefined) {
      const n = this.#table.listedLr[slot]!;
      const high = cpu.lrs.listRegisters[2 * n + 1]!;
      if ((high & LrHigh.ACTIVE) !== 0 && (high & LrHigh.HW) !== 0)
        cpu.lrs.deactivatePhysical(high & LrHigh.PINTID_MASK);
      cpu.lrs.listRegisters[2 * n + 1] = high & ~LrHigh.ACTIVE;
      cpu.lrs.listRegistersChanged();
    }
    this.update(slot);
  }

  /** Read back the list registers of a vCPU and refill the free ones. Call on maintenance interrupts. */
  syncCpu(cpu: VgicCpu): void {
    this.#takeEnds(cpu);
    let used = cpu.used;
    while (used !== 0) {
      const n = 31 - Math.clz32(used & -used);
      used &= used - 1;
      this.#syncLr(cpu, n);
    }
    if (cpu.overflow) this.#refill(cpu);
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
    this.#takeEnds(cpu);
    cpu.forgetUnlisted();
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
    if (cpu.overflow && this.#yieldsToWaiting(cpu, slot)) return;
    let n = this.#freeLr(cpu);
    // Reading back may have listed it.
    if (this.#listedIn(slot) !== undefined) {
      this.#setWaiting(slot, false);
      return;
    }
    if (n < 0) n = this.#makeRoom(cpu, this.#table.priority[slot]!);
    if (n < 0) {
      this.#setWaiting(slot, true);
      this.#overflow(cpu);
      return;
    }
    this.#setWaiting(slot, false);
    this.#write(cpu, n, slot, LrHigh.PENDING);
    cpu.notifyListed();
  }

  /** One that waits already has a higher priority: this one waits too, behind it. */
  #yieldsToWaiting(cpu: VgicCpu, slot: number): boolean {
    const best = this.#bestWaiting(cpu.index);
    if (best < 0 || this.#table.priority[best]! >= this.#table.priority[slot]!) return false;
    this.#setWaiting(slot, true);
    this.#refill(cpu);
    return true;
  }

  #freeLr(cpu: VgicCpu): number {
    const all = (1 << cpu.slots.length) - 1;
    let free = ~cpu.used & all;
    if (free === 0) {
      this.#takeEnds(cpu);
      for (let n = 0; n < cpu.slots.length; n++) this.#syncLr(cpu, n);
      free = ~cpu.used & all;
    }
    return free === 0 ? -1 : 31 - Math.clz32(free & -free);
  }

  /**
   * Make room for an interrupt of `priority`: a pending one of lower priority waits. When none is pending, the active
   * one of lowest priority, which ends last, is kept outside.
   * @returns a free list register, -1 when a pending one goes first
   */
  #makeRoom(cpu: VgicCpu, priority: number): number {
    let worst = -1;
    let worstPriority = priority;
    let outermost = -1;
    let outermostPriority = -1;
    let isPending = false;
    for (let n = 0; n < cpu.slots.length; n++) {
      const high = cpu.lrs.listRegisters[2 * n + 1]!;
      if (lrState(high) === LrState.PENDING) {
        isPending = true;
        if (lrPriority(high) <= worstPriority) continue;
        worst = n;
        worstPriority = lrPriority(high);
      } else if (lrPriority(high) > outermostPriority) {
        outermost = n;
        outermostPriority = lrPriority(high);
      }
    }
    if (worst >= 0) {
      const slot = cpu.slots[worst]!;
      this.#clear(cpu, worst);
      this.#setWaiting(slot, true);
      this.#overflow(cpu);
      return worst;
    }
    if (isPending) return -1;
    const slot = cpu.slots[outermost]!;
    this.#clear(cpu, outermost);
    cpu.keepUnlisted(slot, outermostPriority);
    return outermost;
  }

  #overflow(cpu: VgicCpu): void {
    if (cpu.overflow) return;
    cpu.overflow = true;
    for (let n = 0; n < cpu.slots.length; n++)
      if (lrState(cpu.lrs.listRegisters[2 * n + 1]!) === LrState.PENDING_AND_ACTIVE) this.#keepApart(cpu, n);
  }

  /**
   * The active interrupt of list register n is active alone, its latch stays in the table, and its end tells: because it
   * goes elsewhere next, or because others wait, and ICH_MISR_EL2.NP, which says that they can go in, is not asserted
   * while one is pending and active. Not for hardware's, whose latch stays in the table anyway.
   */
  #keepApart(cpu: VgicCpu, n: number): void {
    cpu.lrs.listRegisters[2 * n + 1] = (cpu.lrs.listRegisters[2 * n + 1]! & ~LrHigh.PENDING) | LrHigh.EOI;
    cpu.offered &= ~(1 << n);
    cpu.lrs.listRegistersChanged();
  }

  /** Offer waiting interrupts, highest priority first, until one that is pending fills the last list register. */
  #refill(cpu: VgicCpu): void {
    for (;;) {
      const isFull = this.#freeLr(cpu) < 0 && this.#anyPending(cpu);
      const slot = this.#bestWaiting(cpu.index);
      if (slot < 0) {
        cpu.overflow = false;
        return;
      }
      if (isFull) return;
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
    this.#keepApart(cpu, n);
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
    else if ((this.#table.flags[slot]! & IrqFlag.ACTIVE) !== 0)
      for (const other of this.#cpus) if (other !== undefined) this.#takeEnds(other);
  }

  /** Ends of interrupts that were in no list register: EOIcount of them, the innermost first. */
  #takeEnds(cpu: VgicCpu): void {
    if (!cpu.hasUnlisted) return;
    for (let ends = cpu.lrs.takeUnlistedEnds(); ends > 0 && cpu.hasUnlisted; ends--)
      this.#endUnlisted(cpu.innermostUnlisted);
  }

  /** An active interrupt that is in no list register is active no more. */
  #endUnlisted(slot: number): void {
    const table = this.#table;
    table.flags[slot]! &= ~IrqFlag.ACTIVE;
    const cpu = this.#cpus.find((cpu) => cpu?.dropUnlisted(slot));
    if ((table.flags[slot]! & IrqFlag.HARDWARE) !== 0) cpu?.lrs.deactivatePhysical(table.intidOf(slot));
    this.#ended(slot);
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
    this.#ended(slot);
  }

  /** Neither active nor in a list register any more: a level is looked at again. */
  #ended(slot: number): void {
    const table = this.#table;
    const flags = table.flags[slot]!;
    if ((flags & IrqFlag.LEVEL) !== 0 && (flags & IrqFlag.EDGE) === 0) {
      // A hardware level raises its physical interrupt again by itself.
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
