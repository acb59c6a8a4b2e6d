/**
 * Layout of a PE's state block: every field that WebAssembly code and TypeScript share, as byte offsets
 * from the block's start. Blocks lie in the reserved region of the linear memory (see `region.ts`), so the
 * interpreter, the page-table walker and a later JIT read and write the same bytes.
 *
 * Source: DDI 0487 K.a, B1.2 (registers), C5.2 (PSTATE), D13 (system registers).
 */

/** Byte length of a state block. Blocks are aligned to it. */
export const STATE_BYTES = 0x40000;

/**
 * Byte offsets. The comment gives the width.
 *
 * Register numbers in decoded operands are offsets too: `X + 8 * n` for n 0-30, `ZERO` for XZR as a source,
 * `SP` for the current stack pointer, `SINK` for XZR as a destination.
 */
export const L = {
  /** X0-X30, 31 x i64. */
  X: 0x000,
  /** i64, always 0: XZR as a source. */
  ZERO: 0x0f8,
  /** i64: the stack pointer that PSTATE.{EL,SP} selects. The banked slots are SP_EL0 and SP_EL1 of the system registers. */
  SP: 0x100,
  /** i64, written and never read: XZR as a destination. */
  SINK: 0x108,

  /** i64: address of the instruction to execute; up to date whenever a helper is called and when the interpreter is left. */
  PC: 0x110,
  /** i32: NZCV in bits 31:28. Valid while JavaScript runs; inside the interpreter the flags below may hold them instead. */
  NZCV: 0x118,
  /** i32: PSTATE.EL, 0 or 1. */
  EL: 0x11c,
  /** i32: PSTATE.DAIF in bits 9:6, as in SPSR. */
  DAIF: 0x120,
  /** i32: PSTATE.SP, 0 or 1. */
  SPSEL: 0x124,
  /** i32: the bits of `PSTATE`, each where SPSR has it. */
  PSTATE: 0x128,
  /** i32: not 0 when Advanced SIMD and FP instructions do not trap at the current EL (CPACR_EL1.FPEN, CPTR_EL2.TFP/FPEN). */
  FP_ENABLED: 0x12c,
  /** i32: mask to AND with SP before an SP-based access: 15 when SCTLR_EL1.SA/SA0 checks the current EL, else 0. */
  SP_ALIGN: 0x130,
  /** i32: absolute address of the TLB set of the current EL (see `TLB`). Reload after any helper that may change EL. */
  TLB_SET: 0x134,
  /** i32: absolute address of the TLB set of LDTR and STTR: EL0's, or EL1's while PSTATE.UAO is set. */
  TLB_SET_EL0: 0x138,
  /**
   * i32, atomic: not 0 when the run loop must look up from executing before the budget ends. Bits: see `PENDING`.
   * Checked at the end of each basic block.
   */
  PENDING: 0x13c,
  /** i32: instructions left before `run` looks up. Up to date (every earlier instruction counted) whenever a helper is called. */
  BUDGET: 0x140,
  /** i32: a `LEAVE` reason: why the innermost `execute` came back. */
  LEAVE: 0x144,
  /** f64: instructions retired before the current `execute`. An integer. */
  RETIRED: 0x148,
  /** i32: BUDGET when the current `execute` began; retired now = RETIRED + EXECUTE_BUDGET - BUDGET. */
  EXECUTE_BUDGET: 0x150,
  /** i32: the instruction word of the access being made; set by the interpreter's slow paths for the syndrome of a data abort. */
  WORD: 0x154,
  /** i64: a system register's value on its way into (MSR) or out of (MRS) a helper. */
  SYS_VALUE: 0x158,

  /** Lazy or eager flags of the interpreter, its own affair: 64 bytes. */
  FLAGS: 0x160,

  /** i64: address of the exclusive monitor, the linear-memory offset of the access; -1 when open. */
  EXCL_ADDRESS: 0x1a0,
  /** 2 x i64: what LDXR or LDXP read, zero-extended. */
  EXCL_VALUE: 0x1a8,
  /** i32: size of the exclusive access, bytes: 1, 2, 4, 8 or 16. */
  EXCL_SIZE: 0x1b8,
  /** i32: the event register of WFE and SEV, 0 or 1. */
  EVENT: 0x1bc,

  /** i32: FPCR[31:0]. */
  FPCR: 0x1c0,
  /** i32: FPSR[31:0]. */
  FPSR: 0x1c4,
  /** i32: MDSCR_EL1.{SS,MDE} and friends ask for the stepping loop; not 0: execute one instruction, then look up. */
  STEPPING: 0x1c8,
  /** i32: index of this PE in its backend. */
  PE_INDEX: 0x1cc,
  /** i64: virtual address of a page-crossing access in the bounce buffer. */
  BOUNCE_VA: 0x1d0,
  /** 2 x i32: linear-memory offset of the first byte of each part of a page-crossing store. */
  BOUNCE_HOST: 0x1d8,
  /** i32: bytes in the first part; i32: bytes in all. */
  BOUNCE_SIZE: 0x1e0,
  /** i32 each for EL0 and EL1: bit g is set while some access to registers of `TrapGroup` g may trap. */
  TRAPS: 0x1e8,
  /** Scratch of the interpreter and the FP helpers: 16 bytes. */
  SCRATCH: 0x1f0,

  /** V0-V31, 32 x 16 bytes, 16-byte aligned. */
  V: 0x200,
  /** 128 bytes that a page-crossing access uses in place of memory. 16-byte aligned. */
  BOUNCE: 0x400,

  /** System registers, i64 each, in the order of the table (`sysreg/table.ts`). */
  SYSREG: 0x800,
  SYSREG_END: 0x2000,

  /** The MMU's own fields (`mmu/layout.ts`). */
  MMU: 0x2000,
  MMU_END: 0x4000,
  /** Interpreter and JIT, their own affair: 16 KiB. */
  INTERP: 0x4000,
  INTERP_END: 0x8000,

  /** TLB set of EL0: see `TLB`. */
  TLB_EL0: 0x08000,
  /** TLB set of EL1. */
  TLB_EL1: 0x14000,
  /** What the MMU remembers about each entry, in the order of the sets: 16 bytes an entry. */
  TLB_META: 0x20000,
} as const;

/**
 * A TLB set: three direct-mapped arrays of 1,024 entries of 16 bytes.
 *
 * Entry: i64 tag, i32 addend, i32 aux.
 * - index = va[21:12]; so the entry's byte offset in its array is `(va >> 8) & 0x3ff0`;
 * - hit when `tag == ((va + size - 1) & ~0xfff)`: a page-crossing access misses. The tag of an empty entry is -1;
 * - read, write: linear-memory offset of the access = `wrap(va) + addend` (mod 2^32);
 * - fetch: the same, and `aux` is whatever the interpreter's `codePage` answered for that page.
 *
 * An entry in the write array is readable too. Pages that hold decoded code are never in the write array; pages of
 * Device memory, pages with a watchpoint and, while SCTLR_EL1.A is 1, all pages, are in neither data array.
 */
export const TLB = {
  ENTRIES: 1024,
  ENTRY_BYTES: 16,
  READ: 0x0000,
  WRITE: 0x4000,
  FETCH: 0x8000,
  SET_BYTES: 0xc000,
} as const;

/** Bits of `L.PENDING`. */
export const PENDING = {
  /** `requestExit`. */
  EXIT: 1,
  /** Something about interrupts changed: look for a virtual or physical interrupt to take. */
  INTERRUPT: 2,
  /** STEPPING changed or another PE asked this one to drop translations or code. */
  SYNC: 4,
} as const;

/** Values of `L.LEAVE`. */
export const LEAVE = {
  /** The budget is spent or PENDING is not 0; PC is the next instruction. */
  LOOK_UP: 0,
  /** An exception to EL2 was recorded in ESR_EL2 and companions; ELR_EL2 and SPSR_EL2 are set. */
  SYNC: 1,
  /** A physical interrupt for EL2 is pending. */
  IRQ: 2,
  /** WFI with nothing to wake up for; PC is after it. */
  WAIT: 3,
  /** WFE with no event and nothing to wake up for; PC is after it. */
  WAIT_EVENT: 4,
} as const;

/**
 * The access descriptor (`accdesc`) that the MMU's functions take: one word for what the pseudocode's AccessDescriptor holds.
 * `WALK` adds two bits for AT.
 */
export const ACCDESC = {
  /** Bytes, 1-64. */
  SIZE_MASK: 0xff,
  WRITE: 0x100,
  /** LDTR/STTR: checked as EL0, unless PSTATE.UAO at EL1. */
  UNPRIVILEGED: 0x200,
  /** Also reads: atomics, exclusives' store. With WRITE. */
  ATOMIC: 0x400,
  /** Alignment to the size is required whatever SCTLR_EL1.A says: exclusives, atomics, LDAR/STLR. */
  ALIGNED: 0x800,
  /** Acquire/release or exclusive: sets ISS.AR. */
  ORDERED: 0x1000,
  /** Cache maintenance: ISS.CM, and a read permission check that reports WnR = 1. */
  MAINTENANCE: 0x2000,
  FETCH: 0x4000,
  /** With ALIGNED: SCTLR_EL1.nAA 1 allows any alignment. LDAR, STLR and their like, which are neither exclusive nor atomic. */
  ORDERED_ONLY: 0x8000,
  /**
   * Bits 18:16: log2 of the size of one element (LDP, LD1: less than the access), for SCTLR_EL1.A and Device memory.
   * The MMU fills it in from WORD; callers leave it 0.
   */
  ELEMENT_SHIFT: 16,
} as const;

/** Bits of `L.PSTATE`, as in SPSR. */
export const PSTATE = {
  SSBS: 1 << 12,
  IL: 1 << 20,
  SS: 1 << 21,
  PAN: 1 << 22,
  UAO: 1 << 23,
  DIT: 1 << 24,
} as const;
