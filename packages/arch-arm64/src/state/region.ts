import { STATE_BYTES } from "./layout.ts";

/**
 * Use of the linear memory's reserved region, before DRAM:
 *
 * | from | to | holds |
 * |---|---|---|
 * | 0 | 0x10000 | nothing at 0-0xff (a null offset is an error), then shared words below |
 * | 0x10000 | 0x30000 | system-register dispatch, 32,768 x i32, by encoding |
 * | 0x40000 | + maxPes * 256 KiB | state blocks |
 * | then | end | decoded code of the interpreter and the JIT |
 */
export const REGION = {
  /** i32: byte offset of DRAM in the linear memory. */
  DRAM_OFFSET: 0x100,
  /** i64: physical address of DRAM. */
  DRAM_BASE: 0x108,
  /** i64: bytes of DRAM. */
  DRAM_SIZE: 0x110,
  /** i32: byte offset of `PhysicalMemory.accessControl`: i64 for each page of DRAM, a bit for each domain; 0 when there is none. */
  DOMAIN_MASKS: 0x118,
  /** i32: number of state blocks. */
  PE_COUNT: 0x11c,
  /** i32: address of the first byte after the state blocks: the interpreter's. */
  CODE_START: 0x120,
  /** i32: end of the reserved region. */
  CODE_END: 0x124,
  /** i32: PSTATE bits that the CPU model has besides NZCV, DAIF and the mode, as in SPSR. */
  PSTATE_BITS: 0x128,
  /** i32: what the CPU model has, see `CPU_FLAG`. */
  CPU_FLAGS: 0x12c,
  /** i32: FPCR bits that the CPU model has. */
  FPCR_BITS: 0x130,
  /** f64 words: host counter at the last look, and the like (`timer/`). */
  TIMER: 0x140,
  /** The interpreter's constant tables and shared words: 0x1000-0xffff. */
  INTERP: 0x1000,
  /** System-register dispatch: i32 for each of op0[0] op1 CRn CRm op2. */
  SYSREG_DISPATCH: 0x10000,
  STATES: 0x40000,
} as const;

/** Bits of `REGION.CPU_FLAGS`. */
export const CPU_FLAG = {
  /** FEAT_LSE2: accesses within 16 bytes need not be aligned. */
  LSE2: 1,
} as const;

/** Absolute address of a PE's state block. */
export function stateBase(index: number): number {
  return REGION.STATES + index * STATE_BYTES;
}

/** Most state blocks in a reserved region of that size: a quarter of it, at most 64. */
export function maxPesOf(reservedBytes: number): number {
  return Math.max(0, Math.min(64, Math.floor(reservedBytes / 4 / STATE_BYTES)));
}
