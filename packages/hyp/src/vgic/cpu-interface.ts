/**
 * The virtual CPU interface of a vCPU that has no PE: what ICV_IAR1_EL1 and ICV_EOIR1_EL1 do with list registers.
 * Group 1 only, EOImode 0. A PE of the CPU backend has its own.
 * Source: IHI 0069H §4.8 (priority), §12.3 (ICV registers)
 */

import {
  type ListRegisters,
  LrHigh,
  LrState,
  lrPriority,
  lrState,
  type MaintenanceConditions,
} from "./list-registers.ts";

/** Nothing to acknowledge. */
export const INTID_SPURIOUS = 1023;
const IDLE_PRIORITY = 0xff;

export class NativeCpuInterface implements ListRegisters {
  readonly listRegisterCount: number = 16;
  readonly listRegisters = new Uint32Array(32);
  /** ICV_PMR_EL1. */
  priorityMask = 0;
  /** ICV_IGRPEN1_EL1.Enable. */
  group1Enabled = false;
  /** Priorities of active interrupts, innermost last. */
  readonly #running: number[] = [];
  #changed: () => void = () => {};
  #countsEnds = false;
  #unlistedEnds = 0;
  #best = -1;
  #stale = true;

  /** @param ended called after list registers were changed from this side, to read them back */
  onEnd(ended: () => void): void {
    this.#changed = ended;
  }

  listRegistersChanged(): void {
    this.#stale = true;
  }

  setMaintenance(conditions: MaintenanceConditions): void {
    // Every end of interrupt is read back, so nothing has to be asked for.
    if (conditions.unlistedEnds === this.#countsEnds) return;
    this.#countsEnds = conditions.unlistedEnds;
    this.#unlistedEnds = 0;
  }

  takeUnlistedEnds(): number {
    const ends = this.#unlistedEnds;
    this.#unlistedEnds = 0;
    return ends;
  }

  deactivatePhysical(_intid: number): void {
    // Nothing of a vCPU without a PE is backed by hardware.
  }

  get virtualInterruptPending(): boolean {
    return this.#highest() >= 0;
  }

  /** MRS ICC_IAR1_EL1. */
  acknowledge(): number {
    const n = this.#highest();
    if (n < 0) return INTID_SPURIOUS;
    const high = this.listRegisters[2 * n + 1]!;
    this.listRegisters[2 * n + 1] = (high & ~LrHigh.PENDING) | LrHigh.ACTIVE;
    this.#running.push(lrPriority(high));
    this.#stale = true;
    return this.listRegisters[2 * n]!;
  }

  /** MSR ICC_EOIR1_EL1: priority drop and deactivation. */
  endOfInterrupt(intid: number): void {
    if (intid >= 1020) return;
    this.#running.pop();
    let isListed = false;
    for (let n = 0; n < this.listRegisterCount; n++) {
      const high = this.listRegisters[2 * n + 1]!;
      if (this.listRegisters[2 * n] === intid && (lrState(high) & LrState.ACTIVE) !== 0) {
        this.listRegisters[2 * n + 1] = high & ~LrHigh.ACTIVE;
        isListed = true;
        break;
      }
    }
    if (!isListed) this.#unlistedEnds++;
    this.#stale = true;
    this.#changed();
  }

  setPriorityMask(mask: number): void {
    this.priorityMask = mask & 0xf8;
    this.#stale = true;
  }

  setGroup1Enabled(enabled: boolean): void {
    this.group1Enabled = enabled;
    this.#stale = true;
  }

  /** Warm reset of the interface; list registers stay, as they belong to EL2. */
  reset(): void {
    this.priorityMask = 0;
    this.group1Enabled = false;
    this.#running.length = 0;
    this.#stale = true;
  }

  /** List register of the interrupt that would be signalled now, -1 for none. */
  #highest(): number {
    if (!this.#stale) return this.#best;
    this.#stale = false;
    this.#best = -1;
    if (!this.group1Enabled) return -1;
    let limit = Math.min(this.priorityMask, this.#running.at(-1) ?? IDLE_PRIORITY);
    for (let n = 0; n < this.listRegisterCount; n++) {
      const high = this.listRegisters[2 * n + 1]!;
      if (lrState(high) !== LrState.PENDING || (high & LrHigh.GROUP1) === 0) continue;
      if (lrPriority(high) < limit) {
        limit = lrPriority(high);
        this.#best = n;
      }
    }
    return this.#best;
  }
}
