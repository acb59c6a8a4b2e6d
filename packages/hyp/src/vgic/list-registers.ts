/**
 * ICH_LR<n>_EL2 as two 32-bit words, so that nothing on the interrupt path needs BigInt.
 * Source: IHI 0069H §12.4.9
 */

/** Fields of the high word: ICH_LR<n>_EL2[63:32]. */
export const LrHigh = {
  /** Bits 41:32. Physical INTID when HW is 1; bit 41 asks for a maintenance interrupt at EOI when HW is 0. */
  PINTID_MASK: 0x3ff,
  EOI: 1 << 9,
  PRIORITY_SHIFT: 16,
  GROUP1: 1 << 28,
  HW: 1 << 29,
  STATE_SHIFT: 30,
  PENDING: 1 << 30,
  ACTIVE: 1 << 31,
} as const;

/** ICH_LR<n>_EL2.State, 2 bits. */
export const LrState = { INVALID: 0, PENDING: 1, ACTIVE: 2, PENDING_AND_ACTIVE: 3 } as const;

/** What else raises the maintenance interrupt. Source: IHI 0069H §12.4.8, ICH_HCR_EL2 */
export interface MaintenanceConditions {
  /** NPIE: no list register is pending, and interrupts wait for one. */
  readonly nonePending: boolean;
  /** LRENPIE: an interrupt ended that is in no list register. TDIR goes with it: ICC_DIR_EL1 names one in any order. */
  readonly unlistedEnds: boolean;
}

/** State of a list register from its high word. */
export function lrState(high: number): number {
  return high >>> LrHigh.STATE_SHIFT;
}

/** Priority, 8 bits, from a list register's high word. */
export function lrPriority(high: number): number {
  return (high >>> LrHigh.PRIORITY_SHIFT) & 0xff;
}

/** Where the list registers of one vCPU are, and how their hardware is told about changes. */
export interface ListRegisters {
  /** Number of list registers, 1-16. */
  readonly listRegisterCount: number;
  /** ICH_LR<n>_EL2 at index 2n (bits 31:0) and 2n + 1 (bits 63:32). Live. */
  readonly listRegisters: Uint32Array;
  listRegistersChanged(): void;
  /** Whether a list register's interrupt would be signalled to EL1 now, DAIF aside. */
  readonly virtualInterruptPending: boolean;
  /** Where `unlistedEnds` changes, what was counted until now is forgotten. */
  setMaintenance(conditions: MaintenanceConditions): void;
  /** ICH_HCR_EL2.EOIcount, 0-31: ends of interrupts that no list register holds, since the last call. */
  takeUnlistedEnds(): number;
  /** Deactivate a physical interrupt whose virtual one did not end in a list register with HW set. */
  deactivatePhysical(intid: number): void;
}
