/**
 * Change of ownership: between parent and child, between siblings, between an extent and its partition.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_donate_child, memextent_donate_sibling;
 * hyp/mem/memextent_sparse/src/memextent_sparse.c, donate_memextents_common
 */

import { GunyahError } from "@gunyah-ts/abi";
import { bug, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { ByteSize, ExtentOffset } from "../hypercall/arguments.ts";
import type { Partition } from "../partition/partition.ts";
import type { Memextent } from "./memextent.ts";
import { applyAll, transferMappings } from "./transfer.ts";

const WRAP = 2 ** 64;

/** @param offset from the extent's base; exact when page-aligned. @returns GunyahError */
function checkRange(extent: Memextent, offset: ExtentOffset, size: ByteSize): GunyahError {
  if (offset % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) return GunyahError.ARGUMENT_ALIGNMENT;
  const phys = extent.physBase + offset;
  if (phys >= WRAP) return GunyahError.ARGUMENT_INVALID;
  if (size === 0 || phys + size > WRAP) return GunyahError.ARGUMENT_SIZE;
  return extent.contains(phys, size) ? GunyahError.OK : GunyahError.ARGUMENT_INVALID;
}

function move(from: Memextent, to: Memextent, pa: Pa, size: number): GunyahError {
  const { memdb } = from.core;
  let error = memdb.update(pa, size, to.id, from.id);
  if (error !== GunyahError.OK) return error;
  error = transferMappings(from, to, pa, size);
  if (error !== GunyahError.OK && memdb.update(pa, size, from.id, to.id) !== GunyahError.OK)
    bug("BUG_HYP_MEMDB", "a donation cannot be undone");
  return error;
}

/**
 * Donate between an extent and its parent, or its partition when it has none.
 * @param toParent false: parent to child
 * @returns GunyahError: ARGUMENT_ALIGNMENT, ARGUMENT_INVALID, ARGUMENT_SIZE, MEMEXTENT_TYPE (basic child),
 * ARGUMENT_INVALID (basic parent), MEMDB_NOT_OWNER, NOMEM
 */
export function donateChild(child: Memextent, offset: ExtentOffset, size: ByteSize, toParent: boolean): GunyahError {
  const error = checkRange(child, offset, size);
  if (error !== GunyahError.OK) return error;
  if (!child.isSparse) return GunyahError.MEMEXTENT_TYPE;
  const pa = child.physBase + offset;
  const { parent } = child;
  if (parent !== undefined) {
    if (!parent.isSparse) return GunyahError.ARGUMENT_INVALID;
    return toParent ? move(child, parent, pa, size) : move(parent, child, pa, size);
  }
  return movePartition(child, pa, size, toParent);
}

function movePartition(extent: Memextent, pa: Pa, size: number, toPartition: boolean): GunyahError {
  const { memdb } = extent.core;
  const partition = (extent.partition as Partition).id;
  if (toPartition) {
    const error = memdb.update(pa, size, partition, extent.id);
    if (error === GunyahError.OK) applyAll(extent, pa, size, false);
    return error;
  }
  let error = memdb.update(pa, size, extent.id, partition);
  if (error !== GunyahError.OK) return error;
  error = applyAll(extent, pa, size, true);
  if (error !== GunyahError.OK) memdb.update(pa, size, partition, extent.id);
  return error;
}

/**
 * Donate between two children of one parent.
 * @returns GunyahError: ARGUMENT_ALIGNMENT, ARGUMENT_INVALID, ARGUMENT_SIZE, ARGUMENT_INVALID (no siblings),
 * MEMEXTENT_TYPE (basic source), ARGUMENT_INVALID (basic destination), MEMDB_NOT_OWNER, NOMEM
 */
export function donateSibling(from: Memextent, to: Memextent, offset: ExtentOffset, size: ByteSize): GunyahError {
  const error = checkRange(from, offset, size);
  if (error !== GunyahError.OK) return error;
  const pa = from.physBase + offset;
  if (!to.contains(pa, size)) return GunyahError.ARGUMENT_INVALID;
  if (from === to || from.parent === undefined || from.parent !== to.parent) return GunyahError.ARGUMENT_INVALID;
  if (!from.isSparse) return GunyahError.MEMEXTENT_TYPE;
  if (!to.isSparse) return GunyahError.ARGUMENT_INVALID;
  return move(from, to, pa, size);
}
