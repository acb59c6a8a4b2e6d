/**
 * Codes of this package: what a user can do wrong (`HYP_…`), and what only a defect of the model causes (`BUG_HYP_…`).
 * Guests never see these; what they do is answered with a GunyahError.
 */
export const HYP_ERRORS = {
  HYP_ENTRY_TAKEN: "A native program is installed at the address already.",
  HYP_BOARD_INVALID: "The board's memory, carve-out, root VM or CPU counts do not fit together.",
  BUG_HYP_BOOT: "The objects of the boot environment cannot be made.",
  BUG_HYP_CARVE_OUT: "The carve-out is not in DRAM.",
  BUG_HYP_HYPERCALL: "A hypercall has two handlers.",
  BUG_HYP_MEMDB: "An ownership change that must succeed was refused.",
  HYP_HOST_CRASHED: "A CPU of the host VM cannot go on, and the machine with it.",
  HYP_INTERRUPT_IGNORED: "A native program returned from interrupt() without acknowledging what is signalled.",
  BUG_HYP_MAINTENANCE: "A maintenance interrupt of the virtual GIC stays asserted.",
  BUG_HYP_OWNERSHIP: "A hypercall broke the ownership invariant, or it does not hold at the end.",
  BUG_HYP_REFERENCE: "An object was used after its last reference went, or released once too often.",
  BUG_HYP_STAGE2: "A stage-2 descriptor cannot hold its output address.",
  BUG_HYP_TRANSFER: "Translations can neither be changed nor restored.",
} as const;
export type HypErrorCode = keyof typeof HYP_ERRORS;
