/**
 * The ownership invariant: what the tables let VMs reach is exactly what the extents that own the pages want.
 */

import type { OwnershipFault, Pa } from "@gunyah-ts/kernel";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import { attrsOfIntent, intentDelta } from "../memory/intent.ts";
import { Memextent } from "../memory/memextent.ts";

/** Names of the rules, as `OwnershipFault.rule` reports them. */
export const OwnershipRule = {
  /** A page of the hypervisor's carve-out is reachable by a VM. */
  CARVE_OUT: "carve-out",
  /** A translation leads to a page that no active extent owns. */
  UNOWNED: "unowned",
  /** The owner of the page does not want this translation. */
  NO_INTENT: "no-intent",
  /** A translation allows more than the extent does. */
  ACCESS: "access",
  /** The owner wants a translation and nothing is mapped there. */
  MISSING: "missing",
  /** The database's owner is not a live object whose range holds the page. */
  OWNER: "owner",
  /** Translation tables of two address spaces share a page, or a table lies outside the carve-out. */
  TABLE: "table",
  /** The database's page counts are wrong. */
  COUNT: "count",
} as const;

/**
 * Walk every table and every intent.
 *
 * An address where two extents want different pages holds the newest translation, as in the hypervisor; the older
 * intent then has none. Once that happened in an address space, or memory for tables ran out there, missing translations there are no fault.
 * @returns the first page that breaks a rule, or undefined
 */
export function checkOwnership(core: HypCore): OwnershipFault | undefined {
  return checkOwners(core) ?? checkTables(core) ?? checkTranslations(core) ?? checkIntents(core);
}

function fault(pa: Pa, rule: string, detail: string): OwnershipFault {
  return { pa, rule, detail };
}

function checkOwners(core: HypCore): OwnershipFault | undefined {
  const { memdb, memory } = core;
  const counts = new Map<number, number>();
  const first = memory.dramBase / PAGE_SIZE;
  for (let page = first; page < first + memory.dramSize / PAGE_SIZE; page++) {
    const owner = memdb.ownerOfPage(page);
    const pa = page * PAGE_SIZE;
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
    const inCarveOut = core.carveOut.contains(pa);
    if (inCarveOut !== (owner === core.hypPartition.id))
      return fault(pa, OwnershipRule.CARVE_OUT, `owned by ${core.ownerName(owner)}`);
    if (owner === core.hypPartition.id || owner === core.rootPartition.id) continue;
    const object = core.object(owner);
    if (!(object instanceof Memextent) || !object.contains(pa, PAGE_SIZE) || !object.isActive)
      return fault(pa, OwnershipRule.OWNER, `${core.ownerName(owner)} cannot own it`);
  }
  for (const [owner, count] of counts) {
    const object = core.object(owner);
    const mayOwnDevices = object instanceof Memextent && object.physBase < memory.dramBase;
    if (owner !== 0 && !mayOwnDevices && memdb.pagesOwned(owner) !== count)
      return fault(0, OwnershipRule.COUNT, `${core.ownerName(owner)} has ${count}, counted ${memdb.pagesOwned(owner)}`);
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
      for (let at = 0; at < size && found === undefined; at += PAGE_SIZE)
        found = checkPage(core, addrspace, ipa + at, pa + at, attrs);
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkPage(
  core: HypCore,
  addrspace: Addrspace,
  ipa: number,
  pa: Pa,
  attrs: number,
): OwnershipFault | undefined {
  const where = `VMID ${addrspace.vmid} at IPA 0x${ipa.toString(16)}`;
  if (core.carveOut.contains(pa)) return fault(pa, OwnershipRule.CARVE_OUT, where);
  const extent = core.object(core.memdb.owner(pa));
  if (!(extent instanceof Memextent)) return fault(pa, OwnershipRule.UNOWNED, where);
  const page = pa / PAGE_SIZE;
  for (const slot of extent.slots) {
    if (slot.addrspace !== addrspace) continue;
    const intent = slot.intents.get(page);
    if (intent === 0 || (page + intentDelta(intent)) * PAGE_SIZE !== ipa) continue;
    const user = attrs & 7 & ~extent.access;
    const kernel = (attrs >>> 3) & 7 & ~extent.access;
    if (user !== 0 || kernel !== 0) return fault(pa, OwnershipRule.ACCESS, where);
    return undefined;
  }
  return fault(pa, OwnershipRule.NO_INTENT, `${where}, owner memextent ${extent.id}`);
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
        for (let page = start; page < end && found === undefined; page++) {
          if (core.memdb.ownerOfPage(page) !== extent.id) continue;
          const ipa = (page + intentDelta(intent)) * PAGE_SIZE;
          const there = stage2.lookup(ipa) && stage2.found.pa + (ipa % stage2.found.size) === page * PAGE_SIZE;
          if (!there && !stage2.isIncomplete)
            found = fault(
              page * PAGE_SIZE,
              OwnershipRule.MISSING,
              `attributes 0x${attrsOfIntent(intent).toString(16)}`,
            );
        }
      });
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
