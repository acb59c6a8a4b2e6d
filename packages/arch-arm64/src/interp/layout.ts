/**
 * Data of the interpreter in the linear memory: predecoded records, the code cache, and its words in a state block.
 */
import { L } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { I32, I64 } from "../wasm/index.ts";

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
  /**
   * i32 for each word: below 0x10000 how often a branch went there, as far as anybody counted; else the word begins a
   * region: its entry (bits 15:0, see `ENTRY`) and the handler that its record had (31:16).
   */
  SIDE: 0x4010,
  /** i32: changes of the page's words since it holds code: what was compiled meanwhile is stale. */
  VERSION: 0x5010,
  /** i32: changes of words that regions cover: regions of another version are stale. */
  REGION_VERSION: 0x5014,
  /** 1,024 bits: words that a region of the current version covers. */
  COVERED: 0x5018,
  BYTES: 0x50a0,
} as const;

/** An entry of a region: 32 bytes in the table at `SHARED.ENTRIES`. */
export const ENTRY = {
  /** i32: index of the function in the table of regions. */
  FUNCTION: 0,
  /** i32: which of the region's entries. */
  NUMBER: 4,
  /** i32: more budget than this lets it come to its next check. */
  NEED: 8,
  /** i32: code page, and the REGION_VERSION that the region was compiled for. */
  PAGE: 12,
  VERSION: 16,
  /** i32: not 0 when it was used since the JIT looked last. */
  USED: 20,
  /** i32: the page's distance from the page that the region's offsets count from. */
  PAGE_OFFSET: 24,
  BYTES_LOG2: 5,
} as const;

/** Where branches through registers went: 32 bytes, by bits 14:4 of the branch's record. */
export const BRANCH_TARGET = {
  /** i32: the record. */
  RECORD: 0,
  /** i32: times that a region did not have the target, and times that it was compiled anew for that. */
  MISSES: 4,
  RENEWED: 8,
  /** i64: the last target, and the one before that was another. */
  LAST: 16,
  OTHER: 24,
  BYTES_LOG2: 5,
  ENTRIES: 2048,
} as const;

/** Of a region's function: (s, address of the page that its offsets count from, budget, entry) -> budget left. */
export const REGION_PARAMS = [I32, I64, I32, I32] as const;
/** Functions in the table of regions. */
export const MAX_REGIONS = 0x10000;

/** A word that became hot: 16 bytes in the ring at `SHARED.HOT`. */
export const HOT = {
  /** i64: virtual address. */
  VA: 0,
  /** i32: its record. */
  RECORD: 8,
  /** i32: index of the PE, shifted left by one, and its EL. */
  WHO: 12,
  BYTES_LOG2: 4,
  ENTRIES: 256,
} as const;

/** Handlers that no instruction has. A record of zeros is not decoded yet. */
export const HANDLER = { UNDECODED: 0, PAGE_END: 1, UNDEFINED: 2, STEP_END: 3, REGION: 4, FIRST: 5 } as const;

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
  /** i32: entries of regions, see `ENTRY`; 0 when there is no room for any. */
  ENTRIES: REGION.INTERP + 0x18,
  /** i32: how many entries there is room for. */
  ENTRY_COUNT: REGION.INTERP + 0x1c,
  /** i32: how often a branch must go to a word to make it hot; 0: nobody counts. */
  THRESHOLD: REGION.INTERP + 0x20,
  /** i32: hot words that the JIT has not looked at, and where they are, see `HOT`. */
  HOT_COUNT: REGION.INTERP + 0x24,
  HOT: REGION.INTERP + 0x28,
  /** i32: where `BRANCH_TARGET`s are. */
  TARGETS: REGION.INTERP + 0x2c,
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
  /** i32: the word's entry in `CODE_PAGE.SIDE` = SIDE + (record address >> 2). */
  SIDE: L.INTERP + 0x14,
  /** i64: instructions that regions retired. */
  REGION_RETIRED: L.INTERP + 0x18,
  /** 2 x i64: what a 16-byte compare-and-swap found. */
  CAS_OLD: L.INTERP + 0x20,
  /** i32: address of a record whose region was set aside so that its own instruction executes once; 0 for none. */
  ASIDE: L.INTERP + 0x30,
  /** i32: address of its entry in `CODE_PAGE.SIDE`. */
  ASIDE_SIDE: L.INTERP + 0x34,
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
