import { MemextentDonateType, MemextentModifyOp, VmState } from "@gunyah-ts/abi";
import { type CapId, PAGE_SIZE } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { reclaimParcel, releaseParcel } from "../parcel/release.ts";
import { setState } from "./state.ts";
import type { Vm, VmObjects } from "./vm.ts";

/**
 * The stages of VM_RESET, each a task of its own after the reply, so that other VMs are served in between.
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, vm_creation_vm_reset_handle_*
 */
export function startReset(rm: RmContext, vm: Vm): void {
  setState(rm, vm, VmState.RESETTING);
  const stages: readonly (() => void)[] = [
    () => unwind(vm.undoVdevices),
    () => releaseParcels(rm, vm),
    () => rm.irqLends.releaseAll(rm, vm),
    () => destroyVm(rm, vm),
    () => {
      vm.forget();
      for (const other of rm.vms) if (other !== vm) other.peers.delete(vm.vmid);
      setState(rm, vm, VmState.RESET);
    },
  ];
  const run = (stage: number): void => {
    stages[stage]?.();
    if (stage + 1 < stages.length) rm.defer(() => run(stage + 1));
  };
  rm.defer(() => run(0));
}

/** Newest first, each once. */
export function unwind(undo: (() => void)[]): void {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
}

/** Parcels that the VM accepted go back to SHARING; parcels that it owned, to itself, as far as their users let go. */
function releaseParcels(rm: RmContext, vm: Vm): void {
  for (const parcel of [...rm.parcels]) {
    if (parcel.acceptances.has(vm.vmid)) {
      releaseParcel(rm, vm, parcel, false);
      const memInfoTag = parcel.tag ?? 0;
      rm.notify(rm.vms.get(parcel.owner), "MEM_RELEASED", { handle: parcel.handle, vmid: vm.vmid, memInfoTag });
    }
  }
  for (const parcel of rm.parcels.ownedBy(vm.vmid)) {
    for (const vmid of [...parcel.acceptances.keys()]) {
      const borrower = rm.vms.get(vmid);
      if (borrower !== undefined) releaseParcel(rm, borrower, parcel, parcel.sanitizeOnCreate);
    }
    reclaimParcel(rm, vm, parcel);
  }
}

function destroyVm(rm: RmContext, vm: Vm): void {
  const objects = vm.objects;
  if (objects?.memextent !== undefined) {
    rm.objects.modify(objects.memextent, MemextentModifyOp.ZERO_RANGE, 0, rm.objects.span);
    rm.objects.destroy(objects.memextent);
  }
  unwind(vm.undoVm);
  if (objects !== undefined) recoverHostMemory(rm);
}

/** Largest piece that is tried at once. */
const CHUNK = 0x20_0000;

/**
 * Memory that a VM's extents still owned when they were destroyed fell to the RM: give it back to the host. Only the
 * hypervisor knows which pages those are, so every gap in the host's address space is tried, large pieces first;
 * pages that other VMs or parcels hold refuse (MEMDB_NOT_OWNER).
 */
export function recoverHostMemory(rm: RmContext): number {
  const host = rm.vms.get(rm.board.hostVmid)?.objects as VmObjects;
  const own = host.memextent as CapId;
  const { objects, board } = rm;
  const { base, size } = board.dram;
  let recovered = 0;
  const take = (pa: number, bytes: number): boolean => {
    if (objects.donate(MemextentDonateType.TO_CHILD, objects.root.ddr, own, pa, bytes) !== 0) return false;
    recovered += bytes;
    return true;
  };
  for (let pa = base; pa < base + size; ) {
    const found = objects.lookup(host.addrspace, own, pa, base + size - pa);
    if (found.error === 0) {
      pa += found.size;
      continue;
    }
    const skip = reservedEnd(rm, pa);
    if (skip > pa) {
      pa = skip;
      continue;
    }
    if (pa % CHUNK === 0 && pa + CHUNK <= base + size && take(pa, CHUNK)) pa += CHUNK;
    else {
      take(pa, PAGE_SIZE);
      pa += PAGE_SIZE;
    }
  }
  return recovered;
}

/** End of the hypervisor's or the RM's own memory when `pa` lies in it, else `pa`. */
function reservedEnd(rm: RmContext, pa: number): number {
  for (const { base, size } of [rm.board.carveOut, rm.board.rootVm])
    if (pa >= base && pa < base + size) return base + size;
  return pa;
}
