/**
 * VMSAv8-64 stage-2 descriptors with a 4 KiB granule, as two 32-bit halves.
 * Source: DDI 0487 K.a, D8.3.2 (table descriptors), D8.3.1.2 (block and page), D8.4.3 (stage-2 permissions, FEAT_XNX),
 * D8.5.5 (stage-2 memory type); gunyah-hypervisor hyp/mem/pgtable/armv8/src/pgtable.c, map_stg2_access_to_attrs
 */

import { type Attrs, kernelAccess, makeAttrs, memtypeOf, userAccess } from "../memory/intent.ts";

export const DESCRIPTOR_VALID = 1;
/** Bits 1:0 of a table descriptor, and of a page descriptor at level 3. */
export const DESCRIPTOR_TABLE = 3;
export const DESCRIPTOR_PAGE = 3;
export const DESCRIPTOR_BLOCK = 1;

/** AF (bit 10) and SH = inner shareable (9:8). The access flag is always set: FEAT_HAFDBS is not used. */
const AF_SH = 0x700;
/** Low-half bits that are attributes: 11:2. */
const ATTRIBUTE_LOW = 0xffc;
/** High-half bits that are the address: 47:32 as 15:0. */
const ADDRESS_HIGH = 0xffff;

/**
 * Attribute bits of the low half: MemAttr 5:2, S2AP 7:6, SH 9:8, AF 10.
 */
export function attributesLow(attrs: Attrs): number {
  const kernel = kernelAccess(attrs);
  const s2ap = ((kernel >>> 2) & 1) | (kernel & 2);
  return AF_SH | (s2ap << 6) | ((memtypeOf(attrs) & 15) << 2);
}

/** Attribute bits of the high half: XN[1:0] as 54:53. 0 both execute, 1 EL0 only, 2 none, 3 EL1 only. */
export function attributesHigh(attrs: Attrs): number {
  const user = userAccess(attrs) & 1;
  const kernel = kernelAccess(attrs) & 1;
  return ((user ^ 1) << 22) | ((user ^ kernel) << 21);
}

/** The attributes of a leaf descriptor in the form that intents use. */
export function attributesOf(low: number, high: number): number {
  const s2ap = (low >>> 6) & 3;
  const rw = ((s2ap & 1) << 2) | (s2ap & 2);
  const user = rw | (((high >>> 22) & 1) ^ 1);
  const kernel = rw | (((high >>> 22) & 1) ^ ((high >>> 21) & 1) ^ 1);
  return makeAttrs(user, kernel, (low >>> 2) & 15);
}

/** Output address of a page, block or table descriptor. */
export function addressOf(low: number, high: number): number {
  return (high & ADDRESS_HIGH) * 0x1_0000_0000 + ((low & 0xffff_f000) >>> 0);
}

/** Whether two leaf descriptors have the same attributes. */
export function sameAttributes(lowA: number, highA: number, lowB: number, highB: number): boolean {
  return ((lowA ^ lowB) & ATTRIBUTE_LOW) === 0 && ((highA ^ highB) & ~ADDRESS_HIGH) === 0;
}
