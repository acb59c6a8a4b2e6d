/**
 * Checks of memextent_configure and memextent_configure_derive.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_configure, memextent_configure_derive
 */

import { Access, GunyahError, MemextentAttrs, MemextentMemtype, MemextentType } from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { Registers } from "../hypercall/registers.ts";
import type { Memextent } from "./memextent.ts";

const WRAP = 2 ** 64;

/** Whether X<a> + X<b> - 1 wraps 64 bits, or X<b> is 0. Exact for every value, aligned or not. */
function isBadRange(r: Registers, a: number, b: number): boolean {
  const size = r.x[b] as bigint;
  return size === 0n || (r.x[a] as bigint) + size - 1n > 0xffff_ffff_ffff_ffffn;
}

function isAligned(r: Registers, i: number): boolean {
  return (r.low(i) & (PAGE_SIZE - 1)) === 0;
}

function parseAttrs(word: number): { access: number; memtype: number; type: number } | undefined {
  if (MemextentAttrs.reserved(word) !== 0) return undefined;
  const attrs = MemextentAttrs.unpack(word);
  if (attrs.append !== 0) return undefined;
  if (attrs.type !== MemextentType.BASIC && attrs.type !== MemextentType.SPARSE) return undefined;
  // CACHED needs forced write-back at stage 2, which this platform lacks.
  if (attrs.memtype === MemextentMemtype.CACHED) return undefined;
  // 3 (write and execute without read) is not an access that exists.
  if (attrs.access === Access.NONE || attrs.access === 3) return undefined;
  return attrs;
}

/** X<2> base, X<3> size, X<4> attributes. @returns GunyahError: ARGUMENT_INVALID, ARGUMENT_ALIGNMENT */
export function configureRoot(extent: Memextent, r: Registers): number {
  if (isBadRange(r, 2, 3)) return GunyahError.ARGUMENT_INVALID;
  if (!isAligned(r, 2) || !isAligned(r, 3)) return GunyahError.ARGUMENT_ALIGNMENT;
  const attrs = parseAttrs(r.low(4));
  if (attrs === undefined) return GunyahError.ARGUMENT_INVALID;
  extent.configure(undefined, r.num(2), r.num(3), attrs);
  return GunyahError.OK;
}

/**
 * X<3> offset in the parent, X<4> size, X<5> attributes.
 * @returns GunyahError: ARGUMENT_INVALID, ADDR_INVALID (beyond the parent), ARGUMENT_ALIGNMENT, ARGUMENT_INVALID
 */
export function configureDerive(extent: Memextent, parent: Memextent, r: Registers): number {
  if (isBadRange(r, 3, 4)) return GunyahError.ARGUMENT_INVALID;
  const offset = r.x[3] as bigint;
  const size = r.x[4] as bigint;
  if (offset + BigInt(parent.physBase) >= BigInt(WRAP) || offset + size > BigInt(parent.size))
    return GunyahError.ADDR_INVALID;
  if (!isAligned(r, 3) || !isAligned(r, 4)) return GunyahError.ARGUMENT_ALIGNMENT;
  const attrs = parseAttrs(r.low(5));
  if (attrs === undefined || (attrs.access & ~parent.access) !== 0) return GunyahError.ARGUMENT_INVALID;
  if (parent.memtype !== MemextentMemtype.ANY && parent.memtype !== attrs.memtype) return GunyahError.ARGUMENT_INVALID;
  extent.configure(parent, parent.physBase + r.num(3), r.num(4), attrs);
  return GunyahError.OK;
}
