/**
 * The vCPU side of a virtual GIC: its list registers and what they hold, and the active interrupts they have no room for.
 * Source: IHI 0069H §6.3 (virtual interrupts), gunyah-hypervisor hyp/vm/vgic/src/deliver.c
 */

import type { ListRegisters } from "./list-registers.ts";

/** An active interrupt that no list register holds. */
interface Unlisted {
  readonly slot: number;
  /** 8 bits, as it was acknowledged. */
  readonly priority: number;
}

/** Lower than every priority: made active by software, so it has no running priority that an end could drop. */
export const NOT_RUNNING = 0x100;

export class VgicCpu {
  readonly index: number;
  readonly lrs: ListRegisters;
  /** Slot in each list register. */
  readonly slots: Int32Array;
  /** Bit n: list register n is in use. */
  used = 0;
  /** Bit n: list register n was written pending, and the acknowledge has not been seen. */
  offered = 0;
  #overflow = false;
  readonly #unlisted: Unlisted[] = [];
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

  /** Deliverable interrupts wait for a list register. */
  get overflow(): boolean {
    return this.#overflow;
  }

  set overflow(overflow: boolean) {
    if (overflow === this.#overflow) return;
    this.#overflow = overflow;
    this.#askMaintenance();
  }

  /** Some active interrupt of this vCPU is in no list register. */
  get hasUnlisted(): boolean {
    return this.#unlisted.length > 0;
  }

  /**
   * Keep an active interrupt outside of the list registers. Its end is counted in ICH_HCR_EL2.EOIcount.
   * @param priority 8 bits, or `NOT_RUNNING`
   */
  keepUnlisted(slot: number, priority: number): void {
    this.#unlisted.push({ slot, priority });
    if (this.#unlisted.length === 1) this.#askMaintenance();
  }

  /** An unlisted interrupt is not active any more. @returns false when it was not kept here */
  dropUnlisted(slot: number): boolean {
    const at = this.#unlisted.findIndex((kept) => kept.slot === slot);
    if (at < 0) return false;
    this.#unlisted.splice(at, 1);
    if (this.#unlisted.length === 0) this.#askMaintenance();
    return true;
  }

  /**
   * Slot of the unlisted interrupt of the highest priority, which is the one that ends first: with EOImode 0 the ends
   * come in reverse order of the acknowledges. -1 for none.
   */
  get innermostUnlisted(): number {
    let innermost: Unlisted | undefined;
    for (const kept of this.#unlisted)
      if (innermost === undefined || kept.priority <= innermost.priority) innermost = kept;
    return innermost?.slot ?? -1;
  }

  /** The vCPU goes away: what it kept stays active in the distributor. */
  forgetUnlisted(): void {
    this.#unlisted.length = 0;
  }

  #askMaintenance(): void {
    this.lrs.setMaintenance({ nonePending: this.#overflow, unlistedEnds: this.hasUnlisted });
  }
}
