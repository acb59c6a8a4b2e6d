/**
 * What a change of ownership does to translations: intents of the extent that loses a range stop applying, those of
 * the extent that gains it start to. A translation that both want stays untouched.
 * Source: gunyah-hypervisor hyp/mem/memextent_sparse/src/memextent_sparse.c, do_mapping_transfer, apply_mappings,
 * memextent_activate_derive_sparse; hyp/mem/memextent/src/memextent_basic.c, memextent_activate_derive_basic
 */

import { GunyahError } from "@gunyah-ts/abi";
import { bug, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import { attrsOfIntent, type Intent, intentDelta, makeIntent, restrict } from "./intent.ts";
import type { MappingSlot, Memextent } from "./memextent.ts";

/** Make (`map`) or take away what an intent says for [start, end), physical page numbers. @returns GunyahError */
function apply(slot: MappingSlot, start: number, end: number, intent: Intent, map: boolean): GunyahError {
  const stage2 = slot.addrspace?.stage2;
  if (stage2 === undefined) return GunyahError.OK;
  const ipa = (start + intentDelta(intent)) * PAGE_SIZE;
  const size = (end - start) * PAGE_SIZE;
  if (map) return stage2.map(ipa, size, start * PAGE_SIZE, attrsOfIntent(intent));
  stage2.unmapMatching(ipa, size, start * PAGE_SIZE);
  return GunyahError.OK;
}

/** First page after `page` where any used slot's intent changes. */
function runEnd(slots: readonly MappingSlot[], page: number, end: number): number {
  let stop = end;
  for (const slot of slots) if (slot.addrspace !== undefined) stop = slot.intents.runEnd(page, stop);
  return stop;
}

function intentOf(slot: MappingSlot | undefined, page: number): Intent {
  return slot?.addrspace === undefined ? 0 : slot.intents.get(page);
}

/**
 * Make or take away every translation of a range that the extent owns.
 * @returns GunyahError: NOMEM; what was made is taken away again
 */
export function applyAll(extent: Memextent, pa: Pa, size: number, map: boolean): GunyahError {
  const first = pa / PAGE_SIZE;
  const end = first + size / PAGE_SIZE;
  for (let page = first; page < end; ) {
    const stop = runEnd(extent.slots, page, end);
    for (const slot of extent.slots) {
      const intent = intentOf(slot, page);
      if (intent === 0) continue;
      const error = apply(slot, page, stop, intent, map);
      if (error !== GunyahError.OK) {
        applyAll(extent, pa, (stop - first) * PAGE_SIZE, false);
        return error;
      }
    }
    page = stop;
  }
  return GunyahError.OK;
}

/** Whether one of `slots` wants the page where `intent` has it in the address space of `slot`, with whatever access. */
function keeps(slots: readonly MappingSlot[], slot: MappingSlot, intent: Intent, page: number): boolean {
  for (const other of slots) {
    const theirs = other.addrspace === slot.addrspace ? intentOf(other, page) : 0;
    if (theirs !== 0 && intentDelta(theirs) === intentDelta(intent)) return true;
  }
  return false;
}

/** Whether what `slots` have made there is what `intent` says: all that want the page there want it with equal attributes. */
function hasMade(slots: readonly MappingSlot[], slot: MappingSlot, intent: Intent, page: number): boolean {
  let made = false;
  for (const other of slots) {
    const theirs = other.addrspace === slot.addrspace ? intentOf(other, page) : 0;
    if (theirs === 0 || intentDelta(theirs) !== intentDelta(intent)) continue;
    if (theirs !== intent) return false;
    made = true;
  }
  return made;
}

/**
 * Change the translations of a range from the intents of one extent to those of another. Where only the attributes
 * change, the new translation replaces the old one.
 *
 * Differs: an extent may have several records for one address space. In the source the record that is compared last
 * decides, so that a translation that both extents want can go, or one stay with the access of the wrong record.
 *
 * @param mustSucceed when memory for tables runs out, leave the rest of the range unmapped instead of going back
 * @returns GunyahError: NOMEM, with the translations as they were
 */
export function transferMappings(
  from: Memextent,
  to: Memextent,
  pa: Pa,
  size: number,
  mustSucceed = false,
): GunyahError {
  const first = pa / PAGE_SIZE;
  const end = first + size / PAGE_SIZE;
  for (let page = first; page < end; ) {
    const stop = end === page + 1 ? end : runEnd(to.slots, page, runEnd(from.slots, page, end));
    for (const slot of from.slots) {
      const intent = intentOf(slot, page);
      if (intent !== 0 && !keeps(to.slots, slot, intent, page)) apply(slot, page, stop, intent, false);
    }
    for (const slot of to.slots) {
      const intent = intentOf(slot, page);
      if (intent === 0 || hasMade(from.slots, slot, intent, page)) continue;
      const error = apply(slot, page, stop, intent, true);
      if (error === GunyahError.OK) continue;
      if (mustSucceed) {
        apply(slot, page, stop, intent, false);
        if (slot.addrspace?.stage2 !== undefined) slot.addrspace.stage2.isIncomplete = true;
        continue;
      }
      if (transferMappings(to, from, pa, (stop - first) * PAGE_SIZE, true) !== GunyahError.OK)
        bug("BUG_HYP_TRANSFER", "a mapping transfer can neither be made nor undone");
      return error;
    }
    page = stop;
  }
  return GunyahError.OK;
}

/** Access of an intent cut down to what an extent allows. */
function masked(intent: Intent, access: number): Intent {
  return makeIntent(intentDelta(intent), restrict(attrsOfIntent(intent), access));
}

/**
 * A new child starts with its parent's mappings of its range, cut down to its own access.
 * @param takes the child owns its range already, so changed mappings apply now
 * @returns GunyahError: DENIED when a basic child's range is not mapped as one piece, NOMEM
 */
export function inheritMappings(parent: Memextent, child: Memextent, takes: boolean): GunyahError {
  const { start, end } = child.pageRange;
  let changed = false;
  for (const [i, source] of parent.slots.entries()) {
    if (source.addrspace === undefined) continue;
    if (!child.isSparse && source.intents.runEnd(start, end) !== end) return GunyahError.DENIED;
    const slot = child.slots[i] as MappingSlot;
    for (let page = start; page < end; ) {
      const stop = source.intents.runEnd(page, end);
      const intent = source.intents.get(page);
      if (intent !== 0) {
        const own = masked(intent, child.access);
        changed ||= own !== intent;
        slot.set(page, stop, own);
      }
      page = stop;
    }
    if (!slot.intents.isEmpty) child.takeSlot(slot, source.addrspace);
  }
  if (!takes || !changed) return GunyahError.OK;
  return transferMappings(parent, child, child.physBase, child.size);
}
