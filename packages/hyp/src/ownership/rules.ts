/**
 * The rules of the ownership invariant, for one page at a time: what the tables let VMs reach is exactly what the
 * extents that own the pages want.
 */

import { type Ipa, type OwnershipFault, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { Stage2 } from "../addrspace/stage2.ts";
import type { HypCore } from "../core.ts";
import { attrsOfIntent, type Intent, intentDelta, isWithin } from "../memory/intent.ts";
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

export function fault(pa: Pa, rule: string, detail: string): OwnershipFault {
  return { pa, rule, detail };
}

/** Whether `owner` may own the pages [first, end) of DRAM. */
export function checkOwner(core: HypCore, first: number, end: number, owner: number): OwnershipFault | undefined {
  const pa = first * PAGE_SIZE;
  const size = (end - first) * PAGE_SIZE;
  const inCarveOut = carveOutPart(core, pa, size);
  if (inCarveOut !== (owner === core.hypPartition.id ? size : 0))
    return fault(pa, OwnershipRule.CARVE_OUT, `owned by ${core.ownerName(owner)}`);
  if (owner === core.hypPartition.id || owner === core.rootPartition.id) return undefined;
  const object = core.object(owner);
  if (object instanceof Memextent && object.contains(pa, size) && object.isActive) return undefined;
  return fault(pa, OwnershipRule.OWNER, `${core.ownerName(owner)} cannot own it`);
}

/** Bytes of [pa, pa + size) that are the hypervisor's own. */
function carveOutPart(core: HypCore, pa: Pa, size: number): number {
  const { base, size: carveOutSize } = core.carveOut;
  return Math.max(Math.min(pa + size, base + carveOutSize) - Math.max(pa, base), 0);
}

/** Whether the database's count of an owner's pages is `count`, which was counted in DRAM. */
export function checkCount(core: HypCore, owner: number, count: number): OwnershipFault | undefined {
  const object = core.object(owner);
  const mayOwnDevices = object instanceof Memextent && object.physBase < core.memory.dramBase;
  if (owner === 0 || mayOwnDevices || core.memdb.pagesOwned(owner) === count) return undefined;
  const counted = core.memdb.pagesOwned(owner);
  return fault(0, OwnershipRule.COUNT, `${core.ownerName(owner)} has ${count}, counted ${counted}`);
}

/** Whether the owners of [pa, pa + size) want it to appear at `ipa`, with no more access than they have. */
export function checkTranslation(
  core: HypCore,
  addrspace: Addrspace,
  ipa: Ipa,
  pa: Pa,
  size: number,
  attrs: number,
): OwnershipFault | undefined {
  if (carveOutPart(core, pa, size) > 0)
    return fault(Math.max(pa, core.carveOut.base), OwnershipRule.CARVE_OUT, where(addrspace, ipa));
  const first = pa / PAGE_SIZE;
  const end = first + size / PAGE_SIZE;
  const delta = ipa / PAGE_SIZE - first;
  for (let page = first; page < end; ) {
    const at = (page + delta) * PAGE_SIZE;
    const extent = core.object(core.memdb.ownerOfPage(page));
    if (!(extent instanceof Memextent)) return fault(page * PAGE_SIZE, OwnershipRule.UNOWNED, where(addrspace, at));
    const slot = extent.slots.find((s) => s.addrspace === addrspace && hasDelta(s.intents.get(page), delta));
    if (slot === undefined)
      return fault(page * PAGE_SIZE, OwnershipRule.NO_INTENT, `${where(addrspace, at)}, owner memextent ${extent.id}`);
    if (!isWithin(attrs, extent.access)) return fault(page * PAGE_SIZE, OwnershipRule.ACCESS, where(addrspace, at));
    page = slot.intents.runEnd(page, core.memdb.runEnd(page, end));
  }
  return undefined;
}

function hasDelta(intent: Intent, delta: number): boolean {
  return intent !== 0 && intentDelta(intent) === delta;
}

/**
 * Whether what the owner of the pages [first, end) wants is there.
 *
 * An address where two extents want different pages holds the newest translation, as in the hypervisor; the older
 * intent then has none. Nor has an intent that was recorded twice and unmapped once. Once that happened in an address
 * space, or memory for tables ran out there, missing translations there are no fault.
 */
export function checkIntent(stage2: Stage2, first: number, end: number, intent: Intent): OwnershipFault | undefined {
  if (stage2.isIncomplete) return undefined;
  for (let page = first; page < end; ) {
    if (!leadsTo(stage2, page, intent))
      return fault(page * PAGE_SIZE, OwnershipRule.MISSING, `attributes 0x${attrsOfIntent(intent).toString(16)}`);
    const { pa, size } = stage2.found;
    page = (pa + size) / PAGE_SIZE;
  }
  return undefined;
}

/** Whether an intent for a physical page is translated so. `stage2.found` is the leaf then. */
export function leadsTo(stage2: Stage2, page: number, intent: Intent): boolean {
  const ipa = (page + intentDelta(intent)) * PAGE_SIZE;
  return stage2.lookup(ipa) && stage2.found.pa + (ipa % stage2.found.size) === page * PAGE_SIZE;
}

function where(addrspace: Addrspace, ipa: Ipa): string {
  return `VMID ${addrspace.vmid} at IPA 0x${ipa.toString(16)}`;
}
