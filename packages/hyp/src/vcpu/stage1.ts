/**
 * EL1 stage-1 translation in software, for hypercalls that take virtual addresses: what AT S1E1R and AT S1E1W do.
 * 4, 16 and 64 KiB granules, 48-bit addresses, block and page descriptors; permissions of EL1 without PAN.
 * Source: DDI 0487 K.a D8.2 (translation process), D8.3 (descriptors), D8.4 (permissions)
 */

import type { Ipa, Pa, Pe, PhysicalMemory } from "@gunyah-ts/kernel";
import { Stage2Access, type VcpuAddressSpace } from "./address-space.ts";

/** The walk failed: any stage-1 fault, or a stage-2 fault on a table. */
export const STAGE1_FAULT = -1;

const SCTLR_M = 1n;
/** Bits of the low and high word of a descriptor. Source: DDI 0487 K.a D8.3 */
const VALID = 1 << 0;
/** A table above level 3, a page at level 3. */
const TABLE_OR_PAGE = 1 << 1;
/** AP[2]. */
const READ_ONLY = 1 << 7;
/** AF. */
const ACCESSED = 1 << 10;
/** APTable[1]: no writes below this table; bit 62. */
const TABLE_READ_ONLY = 1 << 30;
const WORD = 0x1_0000_0000;

/**
 * @param va signed: negative for the TTBR1 half
 * @param isWrite whether EL1 would store
 * @returns the IPA or STAGE1_FAULT
 */
export function translateStage1(
  pe: Pe,
  addrspace: VcpuAddressSpace,
  memory: PhysicalMemory,
  va: number,
  isWrite: boolean,
): Ipa | typeof STAGE1_FAULT {
  if ((pe.read("SCTLR_EL1") & SCTLR_M) === 0n) return va >= 0 ? va : STAGE1_FAULT;
  const tcr = pe.read("TCR_EL1");
  const isUpper = va < 0;
  if (((tcr >> (isUpper ? 23n : 7n)) & 1n) === 1n) return STAGE1_FAULT;
  const tsz = Number((tcr >> (isUpper ? 16n : 0n)) & 0x3fn);
  const vaBits = 64 - tsz;
  const granule = granuleBits(Number((tcr >> (isUpper ? 30n : 14n)) & 3n), isUpper);
  if (granule === 0 || vaBits > 48 || vaBits <= granule) return STAGE1_FAULT;
  const offset = isUpper ? va + 2 ** vaBits : va;
  if (offset < 0 || offset >= 2 ** vaBits) return STAGE1_FAULT;

  const indexBits = granule - 3;
  let level = 4 - Math.ceil((vaBits - granule) / indexBits);
  let table = Number(pe.read(isUpper ? "TTBR1_EL1" : "TTBR0_EL1") & 0xffff_ffff_fffen);
  let denyWrite = false;
  for (; level <= 3; level++) {
    const shift = granule + (3 - level) * indexBits;
    const index = Math.floor(offset / 2 ** shift) % 2 ** indexBits;
    const pa = addrspace.translate(table + index * 8, Stage2Access.READ);
    if (pa < 0 || !memory.contains(pa, 8)) return STAGE1_FAULT;
    const at = memory.offsetOf(pa as Pa);
    const low = memory.data.getUint32(at, true);
    const high = memory.data.getUint32(at + 4, true);
    if ((low & VALID) === 0) return STAGE1_FAULT;
    const isTable = (low & TABLE_OR_PAGE) !== 0 && level < 3;
    if (isTable) {
      denyWrite ||= (high & TABLE_READ_ONLY) !== 0;
      table = (high & 0xffff) * WORD + low - (low % 2 ** granule);
      continue;
    }
    if (level === 3 ? (low & TABLE_OR_PAGE) === 0 : level === 0 || (level === 1 && granule !== 12)) return STAGE1_FAULT;
    if ((low & ACCESSED) === 0) return STAGE1_FAULT;
    if (isWrite && (denyWrite || (low & READ_ONLY) !== 0)) return STAGE1_FAULT;
    const base = (high & 0xffff) * WORD + low;
    return base - (base % 2 ** shift) + (offset % 2 ** shift);
  }
  return STAGE1_FAULT;
}

/** log2 of the granule, 0 for a reserved encoding. TG0 and TG1 number them differently. */
function granuleBits(tg: number, isUpper: boolean): number {
  return (isUpper ? [0, 14, 12, 16] : [12, 16, 14, 0])[tg]!;
}
