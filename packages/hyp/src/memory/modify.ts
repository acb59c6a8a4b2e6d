/**
 * Operations on the content of an extent: zero, cache clean, cache flush.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_clean_range
 */

import { Access, GunyahError, MemextentMemtype } from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { ByteSize, ExtentOffset } from "../hypercall/arguments.ts";
import type { Memextent } from "./memextent.ts";

const WRAP = 2 ** 64;

/**
 * Visit what the extent owns of [offset, offset + size), bytes.
 * Differs: cleaning and flushing change nothing, because memory of the model is coherent.
 * @param zero whether to zero it
 * @returns GunyahError: DENIED (device memory or no write access), ARGUMENT_ALIGNMENT, ARGUMENT_INVALID, ARGUMENT_SIZE
 */
export function cleanRange(extent: Memextent, offset: ExtentOffset, size: ByteSize, zero: boolean): GunyahError {
  if (extent.memtype === MemextentMemtype.DEVICE || (extent.access & Access.W) === 0) return GunyahError.DENIED;
  if (offset % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) return GunyahError.ARGUMENT_ALIGNMENT;
  const phys = extent.physBase + offset;
  if (phys >= WRAP) return GunyahError.ARGUMENT_INVALID;
  if (size === 0 || phys + size > WRAP) return GunyahError.ARGUMENT_SIZE;
  if (!extent.contains(phys, size)) return GunyahError.ARGUMENT_INVALID;
  if (zero) {
    const { memory, memdb } = extent.core;
    memdb.walk(extent.id, phys, size, (pa, bytes) => {
      memory.fill(pa, bytes, 0);
      return undefined;
    });
  }
  return GunyahError.OK;
}
