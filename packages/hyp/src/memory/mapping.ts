/**
 * Map and unmap an extent in an address space. Checks follow the order of the hypervisor.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c (memextent_map, memextent_map_partial, …),
 * memextent_basic.c, hyp/mem/memextent_sparse/src/memextent_sparse.c
 */

import { GunyahError } from "@gunyah-ts/abi";
import { type Ipa, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import { IPA_LIMIT } from "../addrspace/stage2.ts";
import type { ByteSize, ExtentOffset } from "../hypercall/arguments.ts";
import {
  type Attrs,
  attrsOfIntent,
  type Intent,
  intentDelta,
  isWithin,
  kernelAccess,
  makeAttrs,
  makeIntent,
  memtypeOf,
  userAccess,
} from "./intent.ts";
import type { MappingSlot, Memextent } from "./memextent.ts";

const WRAP = 2 ** 64;

/** Whether a 64-bit value, exact as a number only if so, is page-aligned. */
function aligned(value: number): boolean {
  return value % PAGE_SIZE === 0;
}

/** Shared by map, unmap and update_access of a part. @returns GunyahError */
function checkPart(extent: Memextent, vbase: Ipa, offset: ExtentOffset, size: ByteSize): GunyahError {
  if (!aligned(vbase) || !aligned(offset) || !aligned(size)) return GunyahError.ARGUMENT_ALIGNMENT;
  if (size === 0 || offset + size > WRAP || vbase + size > WRAP) return GunyahError.ARGUMENT_SIZE;
  if (offset + size > extent.size) return GunyahError.ARGUMENT_SIZE;
  return GunyahError.OK;
}

/**
 * Map all of an extent.
 * @returns GunyahError: ARGUMENT_ALIGNMENT, ARGUMENT_INVALID (attributes), DENIED (read-only address space),
 * ADDR_OVERFLOW (basic) or ARGUMENT_SIZE, ADDR_INVALID, MEMEXTENT_MAPPINGS_FULL, NOMEM
 */
export function mapWhole(extent: Memextent, addrspace: Addrspace, vbase: Ipa, attrs: Attrs): GunyahError {
  if (!aligned(vbase)) return GunyahError.ARGUMENT_ALIGNMENT;
  if (!extent.allows(attrs)) return GunyahError.ARGUMENT_INVALID;
  if (addrspace.readOnly) return GunyahError.DENIED;
  if (vbase + extent.size > WRAP) return GunyahError.ADDR_OVERFLOW;
  return extent.isSparse
    ? mapSparse(extent, addrspace, vbase, 0, extent.size, attrs)
    : mapBasic(extent, addrspace, vbase, attrs);
}

/** Map part of a sparse extent; `offset` and `size` in bytes. @returns GunyahError, as `mapWhole`; MEMEXTENT_TYPE on a basic one */
export function mapPart(
  extent: Memextent,
  addrspace: Addrspace,
  vbase: Ipa,
  offset: ExtentOffset,
  size: ByteSize,
  attrs: Attrs,
): GunyahError {
  const error = checkPart(extent, vbase, offset, size);
  if (error !== GunyahError.OK) return error;
  if (!extent.allows(attrs)) return GunyahError.ARGUMENT_INVALID;
  if (addrspace.readOnly) return GunyahError.DENIED;
  if (!extent.isSparse) return GunyahError.MEMEXTENT_TYPE;
  return mapSparse(extent, addrspace, vbase, offset, size, attrs);
}

/** @returns GunyahError: ARGUMENT_ALIGNMENT, DENIED, ADDR_INVALID when nothing is recorded there */
export function unmapWhole(extent: Memextent, addrspace: Addrspace, vbase: Ipa): GunyahError {
  if (!aligned(vbase)) return GunyahError.ARGUMENT_ALIGNMENT;
  if (addrspace.readOnly) return GunyahError.DENIED;
  if (vbase + extent.size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  return unmap(extent, addrspace, vbase, 0, extent.size);
}

/** @returns GunyahError, as `unmapWhole`; ARGUMENT_SIZE, MEMEXTENT_TYPE on a basic extent */
export function unmapPart(
  extent: Memextent,
  addrspace: Addrspace,
  vbase: Ipa,
  offset: ExtentOffset,
  size: ByteSize,
): GunyahError {
  const error = checkPart(extent, vbase, offset, size);
  if (error !== GunyahError.OK) return error;
  if (addrspace.readOnly) return GunyahError.DENIED;
  if (!extent.isSparse) return GunyahError.MEMEXTENT_TYPE;
  if (vbase + size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  return unmap(extent, addrspace, vbase, offset, size);
}

/**
 * Change the access of a mapping; the memory type stays.
 * @param access `Attrs` whose memory type counts for nothing
 * @returns GunyahError: ARGUMENT_INVALID, then as `unmapWhole`
 */
export function updateAccess(
  extent: Memextent,
  addrspace: Addrspace,
  vbase: Ipa,
  part: { offset: ExtentOffset; size: ByteSize } | undefined,
  access: Attrs,
): GunyahError {
  if (!isWithin(access, extent.access)) return GunyahError.ARGUMENT_INVALID;
  if (part !== undefined) {
    const error = checkPart(extent, vbase, part.offset, part.size);
    if (error !== GunyahError.OK) return error;
  } else if (!aligned(vbase)) return GunyahError.ARGUMENT_ALIGNMENT;
  if (addrspace.readOnly) return GunyahError.DENIED;
  if (part !== undefined && !extent.isSparse) return GunyahError.MEMEXTENT_TYPE;
  // Sparse: the December 2023 source never finds the mapping that it looks for, so the answer is always this one.
  if (extent.isSparse) return GunyahError.ADDR_INVALID;
  const { start, end } = extent.pageRange;
  const delta = vbase / PAGE_SIZE - start;
  for (const slot of extent.slots) {
    if (slot.addrspace !== addrspace || !slot.intents.matches(start, end, delta)) continue;
    const old = slot.intents.get(start);
    const attrs = makeAttrs(userAccess(access), kernelAccess(access), memtypeOf(attrsOfIntent(old)));
    return change(extent, slot, { start, end, from: old, to: makeIntent(delta, attrs) });
  }
  return GunyahError.ADDR_INVALID;
}

function mapBasic(extent: Memextent, addrspace: Addrspace, vbase: Ipa, attrs: Attrs): GunyahError {
  const slot = extent.slots.find((s) => s.addrspace === undefined);
  if (slot === undefined) return GunyahError.MEMEXTENT_MAPPINGS_FULL;
  if (vbase + extent.size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  extent.takeSlot(slot, addrspace);
  return record(extent, slot, extent.pageRange.start, extent.pageRange.end, vbase, attrs);
}

function mapSparse(
  extent: Memextent,
  addrspace: Addrspace,
  vbase: Ipa,
  offset: ExtentOffset,
  size: ByteSize,
  attrs: Attrs,
): GunyahError {
  if (vbase + size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  const start = (extent.physBase + offset) / PAGE_SIZE;
  const end = start + size / PAGE_SIZE;
  let empty: MappingSlot | undefined;
  for (const slot of extent.slots) {
    if (slot.addrspace === addrspace) {
      if (slot.intents.isFree(start, end)) return record(extent, slot, start, end, vbase, attrs);
    } else if (slot.addrspace === undefined) empty ??= slot;
  }
  if (empty === undefined) return GunyahError.MEMEXTENT_MAPPINGS_FULL;
  extent.takeSlot(empty, addrspace);
  return record(extent, empty, start, end, vbase, attrs);
}

/** Write the intent of [start, end) and make the translations of what the extent owns. */
function record(
  extent: Memextent,
  slot: MappingSlot,
  start: number,
  end: number,
  vbase: Ipa,
  attrs: Attrs,
): GunyahError {
  const delta = vbase / PAGE_SIZE - start;
  slot.set(start, end, makeIntent(delta, attrs));
  const reached = translate(extent, slot, start, end, delta, attrs);
  if (reached === end) return GunyahError.OK;
  untranslate(extent, slot, start, reached, delta);
  erase(extent, slot, start, end);
  return GunyahError.NOMEM;
}

/** Replace the one intent of [start, end) by another of the same distance. Without memory all stays as it was. */
function change(
  extent: Memextent,
  slot: MappingSlot,
  { start, end, from, to }: { start: number; end: number; from: Intent; to: Intent },
): GunyahError {
  const delta = intentDelta(to);
  slot.set(start, end, to);
  const reached = translate(extent, slot, start, end, delta, attrsOfIntent(to));
  if (reached === end) return GunyahError.OK;
  slot.set(start, end, from);
  translate(extent, slot, start, reached, delta, attrsOfIntent(from));
  return GunyahError.NOMEM;
}

function erase(extent: Memextent, slot: MappingSlot, start: number, end: number): void {
  slot.set(start, end, 0);
  if (slot.intents.isEmpty) extent.freeSlot(slot);
}

/**
 * Make the translations of the pages of [start, end) that the extent owns.
 * @param delta virtual page number - physical page number
 * @returns `end`, or the first page of the run for which there is no memory
 */
function translate(
  extent: Memextent,
  slot: MappingSlot,
  start: number,
  end: number,
  delta: number,
  attrs: Attrs,
): number {
  const stage2 = slot.addrspace?.stage2;
  if (stage2 === undefined) return end;
  let reached = end;
  forOwned(extent, start, end, (pa, size) => {
    if (stage2.map(pa + delta * PAGE_SIZE, size, pa, attrs) === GunyahError.OK) return true;
    reached = pa / PAGE_SIZE;
    return false;
  });
  return reached;
}

/**
 * Take away the translations of the pages of [start, end) that the extent owns. A second record of the same relation
 * does not keep them, as in the source: it has no translation until its memory comes anew.
 */
function untranslate(extent: Memextent, slot: MappingSlot, start: number, end: number, delta: number): void {
  const { addrspace } = slot;
  const stage2 = addrspace?.stage2;
  if (stage2 === undefined) return;
  forOwned(extent, start, end, (pa, size) => {
    const page = pa / PAGE_SIZE;
    for (const other of extent.slots)
      if (
        other !== slot &&
        other.addrspace === addrspace &&
        other.intents.touches(page, page + size / PAGE_SIZE, delta)
      )
        stage2.isIncomplete = true;
    stage2.unmapMatching(pa + delta * PAGE_SIZE, size, pa);
    return true;
  });
}

/** Every run of the pages of [start, end) that the extent owns, in bytes, while `visit` answers true. */
function forOwned(extent: Memextent, start: number, end: number, visit: (pa: Pa, size: number) => boolean): void {
  const { memdb } = extent.core;
  if (end === start + 1) {
    if (memdb.ownerOfPage(start) === extent.id) visit(start * PAGE_SIZE, PAGE_SIZE);
  } else if (end > start) memdb.walk(extent.id, start * PAGE_SIZE, (end - start) * PAGE_SIZE, visit);
}

function unmap(extent: Memextent, addrspace: Addrspace, vbase: Ipa, offset: ExtentOffset, size: ByteSize): GunyahError {
  const start = (extent.physBase + offset) / PAGE_SIZE;
  const end = start + size / PAGE_SIZE;
  const delta = vbase / PAGE_SIZE - start;
  const slot = extent.slots.find((s) => s.addrspace === addrspace && s.intents.matches(start, end, delta));
  if (slot === undefined) return GunyahError.ADDR_INVALID;
  untranslate(extent, slot, start, end, delta);
  erase(extent, slot, start, end);
  return GunyahError.OK;
}
