/**
 * The ownership invariant of a whole machine. `OwnershipWatch` checks what changed.
 */

import { type OwnershipFault, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { Memextent } from "../memory/memextent.ts";
import { checkCount, checkIntent, checkOwner, checkTranslation, fault, OwnershipRule } from "./rules.ts";

/**
 * Walk every table and every intent.
 * @returns the first page that breaks a rule, or undefined
 */
export function checkOwnership(core: HypCore): OwnershipFault | undefined {
  return checkOwners(core) ?? checkTables(core) ?? checkTranslations(core) ?? checkIntents(core);
}

function checkOwners(core: HypCore): OwnershipFault | undefined {
  const { memdb, memory } = core;
  const counts = new Map<number, number>();
  const first = memory.dramBase / PAGE_SIZE;
  const end = first + memory.dramSize / PAGE_SIZE;
  for (let page = first; page < end; ) {
    const stop = memdb.runEnd(page, end);
    const owner = memdb.ownerOfPage(page);
    counts.set(owner, (counts.get(owner) ?? 0) + stop - page);
    const found = checkOwner(core, page, stop, owner);
    if (found !== undefined) return found;
    page = stop;
  }
  for (const [owner, count] of counts) {
    const found = checkCount(core, owner, count);
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkTables(core: HypCore): OwnershipFault | undefined {
  const seen = new Set<Pa>();
  for (const addrspace of core.vmids.values()) {
    for (const table of addrspace.stage2?.tables() ?? []) {
      if (!core.carveOut.contains(table) || seen.has(table))
        return fault(table, OwnershipRule.TABLE, `table of VMID ${addrspace.vmid}`);
      seen.add(table);
    }
  }
  if (seen.size !== core.carveOut.pages)
    return fault(core.carveOut.base, OwnershipRule.TABLE, `${core.carveOut.pages} pages taken, ${seen.size} in tables`);
  return undefined;
}

function checkTranslations(core: HypCore): OwnershipFault | undefined {
  for (const addrspace of core.vmids.values()) {
    let found: OwnershipFault | undefined;
    addrspace.stage2?.forEachLeaf((ipa, pa, size, attrs) => {
      found ??= checkTranslation(core, addrspace, ipa, pa, size, attrs);
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkIntents(core: HypCore): OwnershipFault | undefined {
  for (const object of core.objectsOf("memextent")) {
    const extent = object as Memextent;
    if (!extent.isActive || core.memdb.pagesOwned(extent.id) === 0) continue;
    for (const slot of extent.slots) {
      const stage2 = slot.addrspace?.stage2;
      if (stage2 === undefined) continue;
      let found: OwnershipFault | undefined;
      slot.intents.forEach((start, end, intent) => {
        for (let page = start; page < end && found === undefined; ) {
          const stop = core.memdb.runEnd(page, end);
          if (core.memdb.ownerOfPage(page) === extent.id) found = checkIntent(stage2, page, stop, intent);
          page = stop;
        }
      });
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
