import { Access, MemReleaseFlag, RmError } from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, errorOf, must, type RmFailure } from "../errors.ts";
import { SIBLING } from "../hypercall/index.ts";
import { attempt, type Undo } from "../undo.ts";
import type { Vm, VmObjects } from "../vm/vm.ts";
import { giveBack, memtypeOf, zero } from "./create.ts";
import type { Acceptance, Parcel } from "./parcel.ts";

/** MEM_RELEASE. Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_release */
export function releaseRequest(rm: RmContext, vm: Vm, handle: number, flags: number): void {
  const parcel = rm.parcels.find(handle);
  check(
    parcel.acl.some((entry) => entry.vmid === vm.vmid),
    RmError.HANDLE_INVALID,
    "not in the ACL",
  );
  check(!parcel.locked, RmError.DENIED, "locked");
  check(parcel.owner !== vm.vmid, RmError.DENIED, "owner");
  check(parcel.acceptances.has(vm.vmid), RmError.MEM_RELEASED, "not accepted");
  releaseParcel(rm, vm, parcel, (flags & MemReleaseFlag.SANITIZE) !== 0);
}

/** Take a VM's view of a parcel away. All or nothing. */
export function releaseParcel(rm: RmContext, vm: Vm, parcel: Parcel, sanitize: boolean): void {
  const acceptance = parcel.acceptances.get(vm.vmid);
  if (acceptance === undefined) return;
  attempt((undo) => {
    if (parcel.adopter !== undefined) disown(rm, vm, parcel, parcel.adopter, acceptance);
    else if (acceptance.isMapped) unmapRegions(rm, vm, parcel, acceptance, undo);
    if (sanitize || acceptance.sanitizeOnRelease) must("zero", zero(rm, parcel.extent, parcel.regions));
  });
  acceptance.reserved.run();
  parcel.acceptances.delete(vm.vmid);
  if (parcel.regions.length === 0) {
    rm.parcels.delete(parcel);
    rm.objects.destroy(parcel.extent);
  } else if (parcel.acceptances.size === 0) parcel.state = "SHARING";
}

/**
 * The same for a VM that is going, and its address space with it: it goes whatever the hypervisor says. A parcel that
 * should have been made zero and was not is locked: its owner does not get it back.
 */
export function dropAcceptance(rm: RmContext, vm: Vm, parcel: Parcel, sanitize: boolean): void {
  const acceptance = parcel.acceptances.get(vm.vmid);
  if (acceptance === undefined) return;
  try {
    releaseParcel(rm, vm, parcel, sanitize);
  } catch (thrown) {
    errorOf(thrown);
    rm.traceFailure(`parcel ${parcel.handle} of VM ${vm.vmid}`, thrown as RmFailure);
    acceptance.reserved.run();
    parcel.acceptances.delete(vm.vmid);
    if (parcel.acceptances.size === 0) parcel.state = "SHARING";
    parcel.locked ||= sanitize || acceptance.sanitizeOnRelease;
  }
}

function unmapRegions(rm: RmContext, vm: Vm, parcel: Parcel, acceptance: Acceptance, undo: Undo): void {
  const { addrspace } = vm.objects as VmObjects;
  const { extent } = parcel;
  const rights = parcel.acl.find((entry) => entry.vmid === vm.vmid)?.rights ?? Access.NONE;
  const memtype = memtypeOf(parcel, vm.vmid);
  parcel.regions.forEach(({ pa, size }, i) => {
    const ipa = acceptance.ipas[i] as Ipa;
    must("unmap", rm.objects.unmap(addrspace, extent, ipa, pa, size));
    undo.push(() => rm.objects.map(addrspace, extent, ipa, pa, size, rights, memtype));
  });
}

/**
 * What the host did not take back of an adopted parcel becomes the parcel's again, so that it can be reclaimed. A page
 * that refuses is the host's already.
 */
function disown(rm: RmContext, vm: Vm, parcel: Parcel, adopter: CapId, acceptance: Acceptance): void {
  const { addrspace } = vm.objects as VmObjects;
  const { ipas } = acceptance;
  const kept = parcel.regions.map(({ pa, size }, i) => {
    rm.objects.unmap(addrspace, adopter, ipas[i] as Ipa, pa, size);
    return rm.objects.donate(SIBLING, adopter, parcel.extent, pa, size) === 0;
  });
  parcel.regions = parcel.regions.filter((_, i) => kept[i]);
  acceptance.ipas = ipas.filter((_, i) => kept[i]);
  parcel.adopter = undefined;
}

/** MEM_RECLAIM. Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_reclaim */
export function reclaimRequest(rm: RmContext, vm: Vm, handle: number, flags: number): void {
  const parcel = rm.parcels.find(handle);
  check(parcel.owner === vm.vmid, RmError.DENIED, "not the owner");
  check(parcel.state !== "SHARED", RmError.MEM_INUSE, "still accepted");
  check(!parcel.locked, RmError.DENIED, "locked");
  if ((flags & MemReleaseFlag.SANITIZE) !== 0) must("zero", zero(rm, parcel.extent, parcel.regions));
  reclaimParcel(rm, vm, parcel);
}

/** Give a parcel's memory back to its owner and forget it. */
export function reclaimParcel(rm: RmContext, owner: Vm, parcel: Parcel): void {
  attempt((undo) => giveBack(rm, owner, parcel, undo));
  rm.parcels.delete(parcel);
  rm.objects.destroy(parcel.extent);
}
