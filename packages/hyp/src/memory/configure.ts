/**
 * Checks of memextent_configure and memextent_configure_derive.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_configure, memextent_configure_derive
 */

import { Access, GunyahError, type Hypercall, MemextentAttrs, MemextentMemtype, MemextentType } from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { Arguments } from "../hypercall/arguments.ts";
import type { RegisterWord } from "../hypercall/registers.ts";
import type { Memextent } from "./memextent.ts";

const WRAP = 2 ** 64;

/** Whether start + size - 1 wraps 64 bits, or size is 0. Exact for every value, aligned or not. */
function isBadRange(start: RegisterWord, size: RegisterWord): boolean {
  return size.value === 0n || start.value + size.value - 1n > 0xffff_ffff_ffff_ffffn;
}

function isAligned(word: RegisterWord): boolean {
  return (word.low & (PAGE_SIZE - 1)) === 0;
}

function parseAttrs(word: number): { access: number; memtype: number; type: number } | undefined {
  if (MemextentAttrs.reserved(word) !== 0) return undefined;
  const attrs = MemextentAttrs.unpack(word);
  if (attrs.append !== 0) return undefined;
  if (attrs.type !== MemextentType.BASIC && attrs.type !== MemextentType.SPARSE) return undefined;
  // Differs: CACHED needs forced write-back at stage 2 (FEAT_S2FWB), which the CPU backend lacks.
  if (attrs.memtype === MemextentMemtype.CACHED) return undefined;
  // 3 (write and execute without read) is not an access that exists.
  if (attrs.access === Access.NONE || attrs.access === 3) return undefined;
  return attrs;
}

/** @returns GunyahError: ARGUMENT_INVALID, ARGUMENT_ALIGNMENT */
export function configureRoot(extent: Memextent, args: Arguments<typeof Hypercall.memextent_configure>): GunyahError {
  const base = args.word("phys_base");
  const size = args.word("size");
  if (isBadRange(base, size)) return GunyahError.ARGUMENT_INVALID;
  if (!isAligned(base) || !isAligned(size)) return GunyahError.ARGUMENT_ALIGNMENT;
  const attrs = parseAttrs(args.attributes);
  if (attrs === undefined) return GunyahError.ARGUMENT_INVALID;
  extent.configure(undefined, args.phys_base, args.size, attrs);
  return GunyahError.OK;
}

/**
 * @returns GunyahError: ARGUMENT_INVALID, ADDR_INVALID (beyond the parent), ARGUMENT_ALIGNMENT, ARGUMENT_INVALID
 */
export function configureDerive(
  extent: Memextent,
  parent: Memextent,
  args: Arguments<typeof Hypercall.memextent_configure_derive>,
): GunyahError {
  const offset = args.word("offset");
  const size = args.word("size");
  if (isBadRange(offset, size)) return GunyahError.ARGUMENT_INVALID;
  if (offset.value + BigInt(parent.physBase) >= BigInt(WRAP) || offset.value + size.value > BigInt(parent.size))
    return GunyahError.ADDR_INVALID;
  if (!isAligned(offset) || !isAligned(size)) return GunyahError.ARGUMENT_ALIGNMENT;
  const attrs = parseAttrs(args.attributes);
  if (attrs === undefined || (attrs.access & ~parent.access) !== 0) return GunyahError.ARGUMENT_INVALID;
  if (parent.memtype !== MemextentMemtype.ANY && parent.memtype !== attrs.memtype) return GunyahError.ARGUMENT_INVALID;
  extent.configure(parent, parent.physBase + args.offset, args.size, attrs);
  return GunyahError.OK;
}
