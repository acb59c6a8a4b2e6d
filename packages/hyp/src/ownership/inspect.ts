/**
 * Who owns a page and who can reach it, for tools and tests. Reads only.
 */

import { type Ipa, PAGE_SIZE, type Pa, type PageInfo } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import { intentDelta, kernelAccess } from "../memory/intent.ts";
import { Memextent } from "../memory/memextent.ts";

/** Access of EL1 as "rwx" with "-" for what is missing. */
function accessName(attrs: number): string {
  const kernel = kernelAccess(attrs);
  return `${(kernel & 4) === 0 ? "-" : "r"}${(kernel & 2) === 0 ? "-" : "w"}${(kernel & 1) === 0 ? "-" : "x"}`;
}

/** The owner of the page that holds `pa`, and every translation that leads to it. */
export function inspectPage(core: HypCore, pa: Pa): PageInfo {
  const page = Math.floor(pa / PAGE_SIZE);
  const owner = core.memdb.ownerOfPage(page);
  const extent = core.object(owner);
  const mappings: { vmid: number; ipa: Ipa; access: string }[] = [];
  if (extent instanceof Memextent) {
    for (const { addrspace, intents } of extent.slots) {
      const intent = addrspace === undefined ? 0 : intents.get(page);
      const stage2 = addrspace?.stage2;
      if (intent === 0 || stage2 === undefined) continue;
      const ipa = (page + intentDelta(intent)) * PAGE_SIZE;
      if (!stage2.lookup(ipa) || stage2.found.pa + (ipa % stage2.found.size) !== page * PAGE_SIZE) continue;
      // Two records can stand for one translation.
      if (mappings.some((m) => m.vmid === stage2.vmid && m.ipa === ipa)) continue;
      mappings.push({ vmid: stage2.vmid, ipa, access: accessName(stage2.found.attrs) });
    }
  }
  return { owner: core.ownerName(owner), mappings };
}

/** Pages that a VM can reach now. 0 for a VMID that has no address space. */
export function accessiblePages(core: HypCore, vmid: number): number {
  return core.vmids.get(vmid)?.stage2?.pages ?? 0;
}

/** Bytes of hypervisor state: objects and tables; live objects by type. */
export function usage(core: HypCore): { carveOutBytes: number; objects: Record<string, number> } {
  return { carveOutBytes: core.heap.used + core.carveOut.pages * PAGE_SIZE, objects: core.countObjects() };
}
