import { MemReleaseFlag, RmError } from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { SIBLING } from "../hypercall/index.ts";
import type { Vm, VmObjects } from "../vm/vm.ts";
import { giveBack, zero } from "./create.ts";
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

/** Take a VM's view of a parcel away. */
export function releaseParcel(rm: RmContext, vm: Vm, parcel: Parcel, sanitize: boolean): void {
  const acceptance = parcel.acceptances.get(vm.vmid);
  if (acceptance === undefined) return;
  const addrspace = vm.objects?.addrspace;
  if (parcel.isAdopted === true) disown(rm, vm, parcel, acceptance);
  else if (acceptance.mapped && addrspace !== undefined)
    parcel.regions.forEach(({ pa, size }, i) => {
      rm.objects.unmap(addrspace, parcel.extent, acceptance.ipas[i] as Ipa, pa, size);
    });
  for (const release of acceptance.release) release();
  parcel.acceptances.delete(vm.vmid);
  if (parcel.regions.length === 0) {
    rm.parcels.delete(parcel);
    rm.objects.destroy(parcel.extent);
    return;
  }
  if (parcel.acceptances.size === 0) parcel.state = "SHARING";
  if (sanitize || acceptance.sanitizeOnRelease) must("zero", zero(rm, parcel.extent, parcel.regions));
}

/** What the host did not take back of an adopted parcel becomes the parcel's again, so that it can be reclaimed. */
function disown(rm: RmContext, vm: Vm, parcel: Parcel, acceptance: Acceptance): void {
  const { addrspace, guestPrivate } = vm.objects as VmObjects;
  parcel.regions = parcel.regions.filter(({ pa, size }, i) => {
    rm.objects.unmap(addrspace, guestPrivate as CapId, acceptance.ipas[i] as Ipa, pa, size);
    return rm.objects.donate(SIBLING, guestPrivate as CapId, parcel.extent, pa, size) === 0;
  });
  parcel.isAdopted = false;
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
  must("donate back", giveBack(rm, owner, parcel));
  rm.parcels.delete(parcel);
  rm.objects.destroy(parcel.extent);
}
