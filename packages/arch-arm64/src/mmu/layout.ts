import { L } from "../state/layout.ts";

/** Fields of the state block that only the MMU uses. */
export const M = {
  /** i32: number of entries in NG_LOG. */
  NG_COUNT: L.MMU + 0x00,
  /** i32: number of entries in PAN_LOG. */
  PAN_COUNT: L.MMU + 0x04,
  /** i32: not 0 while enabled watchpoints keep data accesses off the TLB. */
  WATCHPOINTS: L.MMU + 0x08,
  /** i32: security domain of `PhysicalMemory.accessControl`. */
  DOMAIN: L.MMU + 0x0c,
  /** Results of the last `translate`: i64 IPA, i64 PA, i32 attributes. For AT and tests. */
  OUT_IPA: L.MMU + 0x10,
  OUT_PA: L.MMU + 0x18,
  OUT_ATTR: L.MMU + 0x20,
  /** i32: fault word of the last `translate`, see `FAULT`. */
  OUT_FAULT: L.MMU + 0x24,
  /** i64: IPA of the last stage-2 fault. */
  OUT_FAULT_IPA: L.MMU + 0x28,
  /** 2 x i32, by EL: FP_ENABLED of that EL. */
  FP_BY_EL: L.MMU + 0x40,
  /** 2 x i32, by EL: SP_ALIGN of that EL. */
  SP_ALIGN_BY_EL: L.MMU + 0x48,
  /** i32: virtual interrupts that are signalled, each in its DAIF bit: SError 8, IRQ 7, FIQ 6. */
  LINES: L.MMU + 0x50,
  /** i32: not 0 while debug exceptions are in use (MDSCR_EL1.SS or MDE): every change of EL or DAIF looks up. */
  DEBUG: L.MMU + 0x54,
  /** i32: not 0 while a counter of the PMU is on: every change of EL calls `pmuSync`. */
  PMU: L.MMU + 0x58,
  /** 64 x i32 bitmap: which 2 MiB regions (hashed) may have entries that came from a block larger than a page. */
  BLOCKS_2M: L.MMU + 0x100,
  /** 64 x i32 bitmap: the same for blocks above 2 MiB, in units of 1 GiB. */
  BLOCKS_1G: L.MMU + 0x200,
  /** Absolute addresses of TLB entries filled from non-global pages. */
  NG_LOG: L.MMU + 0x400,
  NG_LOG_ENTRIES: 1024,
  /** Absolute addresses of EL1 TLB entries of pages that EL0 may access: dropped when PSTATE.PAN becomes 1. */
  PAN_LOG: L.MMU + 0x1400,
  PAN_LOG_ENTRIES: 256,
} as const;

/**
 * Result of `translate`: 0 when the access may go on, else the fault status code with flags.
 * Source: DDI 0487 D19.2.40, ISS encoding for an exception from a Data Abort, DFSC.
 */
export const FAULT = {
  FSC_MASK: 0x3f,
  /** Added to the level. */
  ADDRESS_SIZE: 0x00,
  TRANSLATION: 0x04,
  ACCESS_FLAG: 0x08,
  PERMISSION: 0x0c,
  EXTERNAL: 0x10,
  /** Added to the level: on a table walk. */
  EXTERNAL_WALK: 0x14,
  ALIGNMENT: 0x21,
  /** Present in every fault, so that an address size fault at level 0 is not 0. */
  VALID: 0x100,
  /** Stage 2. */
  STAGE2: 0x200,
  /** Stage 2 fault on a stage 1 table walk. */
  S1PTW: 0x400,
} as const;

/** Bits of `OUT_ATTR`. */
export const ATTR = {
  READ: 1,
  WRITE: 2,
  EXECUTE: 4,
  DEVICE: 8,
  NON_GLOBAL: 16,
  /** EL0 may read it: PAN applies. */
  USER: 32,
  /** log2 of the size of the stage 1 mapping: what TLBI by VA must cover. */
  SIZE_SHIFT: 8,
  /** MAIR attribute byte of stage 1, for PAR_EL1. */
  MAIR_SHIFT: 16,
  /** Shareability of stage 1, for PAR_EL1. */
  SH_SHIFT: 24,
} as const;

/** The i64 at an entry's place in TLB_META: IPA page, and in bits 11:0: */
export const META = {
  NON_GLOBAL: 1,
  /** Bits 6:1: log2 of the stage 1 mapping's size. */
  SIZE_SHIFT: 1,
} as const;

/** Bits of an `ACCDESC` that only AT uses. */
export const WALK = {
  /** Stop after stage 1: OUT_IPA is the result. */
  STAGE1_ONLY: 1 << 24,
  /** PSTATE.PAN does not count. */
  NO_PAN: 1 << 25,
} as const;
