/**
 * VMSAv8-64 stage-2 translation, 4 KiB granule, as a PE's walker does it.
 * Source: DDI 0487 K.a, D8.2 (translation process), D8.3 (descriptor formats), D8.4.2 (stage 2 permissions),
 * D8.6.5 (HCR_EL2.FWB has no effect here), ISS encoding for DFSC in D24.2.40 (ESR_EL2).
 */
import type { Ipa, Pa } from "../contracts/address.ts";
import type { PhysicalMemory } from "../contracts/physical-memory.ts";

/** Fault status codes, bits 5:0 of the ISS of an abort; add the level where there is one. */
export const FaultStatus = {
  ADDRESS_SIZE: 0x00,
  TRANSLATION: 0x04,
  ACCESS_FLAG: 0x08,
  PERMISSION: 0x0c,
  EXTERNAL: 0x10,
  EXTERNAL_ON_WALK: 0x14,
} as const;

export interface Stage2Fault {
  /** DFSC/IFSC, 6 bits. */
  readonly fault: number;
}
export interface Stage2Result {
  readonly pa: Pa;
  /** Bytes that the entry maps: 4 KiB, 2 MiB or 1 GiB. */
  readonly size: number;
  readonly read: boolean;
  readonly write: boolean;
  /** Executable at EL1. */
  readonly execute: boolean;
  /** 3 for a page, 2 or 1 for a block. */
  readonly level: number;
  /** MemAttr[3:0]: 0-3 Device memory. */
  readonly memAttr: number;
}

/**
 * Walk the tables.
 *
 * @param vttbr VTTBR_EL2, 64 bits
 * @param vtcr VTCR_EL2, 64 bits; TG0 must say 4 KiB
 */
export function walkStage2(memory: PhysicalMemory, vttbr: bigint, vtcr: bigint, ipa: Ipa): Stage2Result | Stage2Fault {
  const control = Number(vtcr & 0xffff_ffffn);
  const inputBits = 64 - (control & 0x3f);
  const startLevel = 2 - ((control >> 6) & 3);
  if (((control >> 14) & 3) !== 0 || startLevel < 0) return { fault: FaultStatus.TRANSLATION };
  if (ipa >= 2 ** inputBits) return { fault: FaultStatus.TRANSLATION };
  const outputBits = [32, 36, 40, 42, 44, 48, 48, 48][(control >> 16) & 7] as number;

  let table = Number(vttbr & 0x0000_ffff_ffff_fffen);
  for (let level = startLevel; ; level++) {
    const shift = 39 - 9 * level;
    let index = Math.floor(ipa / 2 ** shift);
    // Concatenated tables: only the first lookup may resolve more than nine bits.
    if (level !== startLevel) index %= 512;
    const at = table + index * 8;
    if (!memory.contains(at, 8)) return { fault: FaultStatus.EXTERNAL_ON_WALK + level };
    const offset = memory.offsetOf(at);
    const low = memory.data.getUint32(offset, true);
    const high = memory.data.getUint32(offset + 4, true);
    if ((low & 1) === 0) return { fault: FaultStatus.TRANSLATION + level };
    const isTable = (low & 2) !== 0;
    // A level 0 block and a level 3 entry that is no page are reserved encodings, whatever address they hold.
    if (!isTable && (level === 3 || level === 0)) return { fault: FaultStatus.TRANSLATION + level };
    const base = (high & 0xffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0);
    if (base >= 2 ** outputBits) return { fault: FaultStatus.ADDRESS_SIZE + level };
    if (isTable && level < 3) {
      table = base;
      continue;
    }
    if (((low >>> 10) & 1) === 0) return { fault: FaultStatus.ACCESS_FLAG + level };
    const size = 2 ** shift;
    const xn = (high >>> 21) & 3;
    return {
      pa: Math.floor(base / size) * size + (ipa % size),
      size,
      read: ((low >>> 6) & 1) === 1,
      write: ((low >>> 7) & 1) === 1,
      execute: xn === 0 || xn === 3,
      level,
      memAttr: (low >>> 2) & 15,
    };
  }
}

export function isFault(result: Stage2Result | Stage2Fault): result is Stage2Fault {
  return "fault" in result;
}
