/**
 * Data of the interpreter in the linear memory: predecoded records, the code cache, and its words in a state block.
 */
import { L } from "../state/layout.ts";
import { REGION } from "../state/region.ts";

/**
 * A record: one instruction, predecoded. 16 bytes.
 *
 * | offset | width | holds |
 * |---|---|---|
 * | 0 | u16 | handler number |
 * | 2, 4, 6 | u16 | operands d, n, m: byte offsets in the state block |
 * | 8 | i64 | imm64; or i32 imm at 8 and i32 imm2 or u16 a at 12 |
 */
export const RECORD = { HANDLER: 0, D: 2, N: 4, M: 6, IMM: 8, IMM2: 12, A: 12, BYTES: 16 } as const;

/**
 * A code page: the records of one 4 KiB page of DRAM, in address order, then a record whose handler leaves the page and
 * whose immediate is the linear-memory offset of the page.
 */
export const CODE_PAGE = {
  RECORDS: 1024,
  END: 0x4000,
  HOST: 0x4008,
  /** i32: stores to the page since it holds code. */
  STORES: 0x400c,
  BYTES: 0x4010,
} as const;

/** Handlers that no instruction has. A record of zeros is not decoded yet. */
export const HANDLER = { UNDECODED: 0, PAGE_END: 1, UNDEFINED: 2, STEP_END: 3, FIRST: 4 } as const;

/** Words that all PEs share, in the interpreter's part of the region. */
export const SHARED = {
  /** i32: table with the address of the code page of each DRAM page, 0 when it has none. */
  PAGE_TABLE: REGION.INTERP + 0x00,
  /** i32: first code page. */
  PAGES_START: REGION.INTERP + 0x04,
  /** i32: next unused code page. */
  PAGES_NEXT: REGION.INTERP + 0x08,
  /** i32: end of the last code page. */
  PAGES_END: REGION.INTERP + 0x0c,
  /** i32: times that the code cache was full and started anew. */
  FLUSHES: REGION.INTERP + 0x10,
  /** i32: lock of 16-byte compare-and-swaps, which WebAssembly has no instruction for. */
  LOCK: REGION.INTERP + 0x14,
  /** u16 each: handler of every combination of statics. */
  HANDLERS: REGION.INTERP + 0x100,
} as const;

/** Words of the interpreter in a state block. */
export const INTERP = {
  /** i64: pc = BIAS + (record address >> 2), while the page is executed. */
  BIAS: L.INTERP + 0x00,
  /** i32: linear-memory offset of the instruction = HOST + (record address >> 2). */
  HOST: L.INTERP + 0x08,
  /** i32: budget left at the record at p = ACCOUNT - (p >> 4). For handlers that are functions. */
  ACCOUNT: L.INTERP + 0x0c,
  /** i32: budget of the caller but for the one instruction that is being stepped. */
  STEP_BUDGET: L.INTERP + 0x10,
  /** 2 x i64: what a 16-byte compare-and-swap found. */
  CAS_OLD: L.INTERP + 0x20,
  /** Two records: the stepped instruction and what ends the step. */
  STEP_RECORDS: L.INTERP + 0x40,
} as const;

/** Flags in the state block, one word each so that setting them is four stores and testing one or two loads. */
export const FLAGS = {
  /** i64: the sign bit is N. */
  N: L.FLAGS + 0,
  /** i64: zero when Z is 1. */
  Z: L.FLAGS + 8,
  /** i64: the sign bit is V. */
  V: L.FLAGS + 16,
  /** i32: C, 0 or 1. */
  C: L.FLAGS + 24,
} as const;
