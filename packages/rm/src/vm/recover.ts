import { MemextentDonateType, MemextentModifyOp } from "@gunyah-ts/abi";
import { type CapId, PAGE_SIZE } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import type { Region } from "../parcel/parcel.ts";
import { merge } from "./ranges.ts";
import type { IpaRange, VmObjects } from "./vm.ts";

/**
 * Memory that a VM's extents owned when they were destroyed fell to the RM: give it back to the host, zeroed.
 *
 * What came by MEM_DONATE the RM knows. What the host gave by hypercall and did not take back only the hypervisor knows,
 * and it answers for one address at a time. But while no VM has demand-paged memory, whatever of DRAM is neither in a
 * parcel nor reserved nor the host's is exactly that: so it is looked for then, in runs, and never page by page among
 * the memory of others.
 *
 * @param donated what is known to have fallen to the RM
 * @returns bytes that the host got
 */
export function recoverMemory(rm: RmContext, donated: readonly Region[]): number {
  const isAnyPaged = [...rm.vms].some((vm) => vm.objects?.guestPrivate !== undefined);
  // The host has all of DRAM at its own addresses.
  const places = isAnyPaged ? merge(donated.map(({ pa, size }) => ({ base: pa as number, size }))) : outsideParcels(rm);
  return places.reduce((bytes, place) => bytes + recoverFrom(rm, place), 0);
}

/** DRAM without what is reserved, and without the regions of parcels. */
function outsideParcels(rm: RmContext): IpaRange[] {
  const { dram, carveOut, rootVm } = rm.board;
  const taken = [carveOut, rootVm].map(({ base, size }) => ({ base: base as number, size }));
  for (const parcel of rm.parcels) for (const { pa, size } of parcel.regions) taken.push({ base: pa, size });
  const out: IpaRange[] = [];
  const end = dram.base + dram.size;
  let at: number = dram.base;
  for (const { base, size } of merge(taken)) {
    if (base > at) out.push({ base: at, size: Math.min(base, end) - at });
    at = Math.max(at, base + size);
  }
  if (at < end) out.push({ base: at, size: end - at });
  return out;
}

/** A range of which the host has a part and the RM the rest. */
function recoverFrom(rm: RmContext, { base, size }: IpaRange): number {
  const host = rm.vms.get(rm.board.hostVmid)?.objects as VmObjects;
  const { objects } = rm;
  const end = base + size;
  let recovered = 0;
  for (let at: number = base; at < end; ) {
    const found = objects.lookup(host.addrspace, host.memextent as CapId, at, end - at);
    if (found.error === 0) {
      at += found.size;
      continue;
    }
    // Nobody but the RM has it, so nobody sees it before it is zero.
    if (objects.modify(objects.root.ddr, MemextentModifyOp.ZERO_RANGE, at, end - at) !== 0) return recovered;
    const taken = takeRun(rm, host.memextent as CapId, at, end - at);
    recovered += taken;
    at += Math.max(taken, PAGE_SIZE);
  }
  return recovered;
}

/** The longest run from `base` on, by halves. @returns bytes, 0 when not even a page is to be had */
function takeRun(rm: RmContext, own: CapId, base: number, size: number): number {
  const { objects } = rm;
  let taken = 0;
  for (let piece = size; piece >= PAGE_SIZE; ) {
    const fits = taken + piece <= size;
    if (fits && objects.donate(MemextentDonateType.TO_CHILD, objects.root.ddr, own, base + taken, piece) === 0)
      taken += piece;
    else piece = Math.floor(piece / (2 * PAGE_SIZE)) * PAGE_SIZE;
  }
  return taken;
}
