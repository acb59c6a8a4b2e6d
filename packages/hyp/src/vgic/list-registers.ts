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

/** When the vCPU asks for more interrupts. */
export const RefillWhen = {
  NEVER: 0,
  /** ICH_HCR_EL2.NPIE: no list register is pending. */
  NONE_PENDING: 1,
  /** ICH_HCR_EL2.UIE: at most one list register is in use. For when all of them are active. */
  UNDERFLOW: 2,
} as const;
export type RefillWhen = (typeof RefillWhen)[keyof typeof RefillWhen];

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
  /** Interrupts wait for a free list register: when to raise maintenance. Source: IHI 0069H §12.4.8, ICH_HCR_EL2 */
  setRefill(when: RefillWhen): void;
}
