import { VmState } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { errorOf, type RmFailure } from "../errors.ts";
import { dropAcceptance, reclaimParcel } from "../parcel/release.ts";
import { recoverMemory } from "./recover.ts";
import { setState } from "./state.ts";
import type { Vm } from "./vm.ts";

/**
 * The stages of VM_RESET, each a task of its own after the reply, so that other VMs are served in between.
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, vm_creation_vm_reset_handle_*
 */
export function startReset(rm: RmContext, vm: Vm): void {
  setState(rm, vm, VmState.RESETTING);
  const stages: readonly (() => void)[] = [
    () => vm.undoVdevices.run(),
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
    // A VM that is reset goes; what the hypervisor refuses on the way must not take the RM with it.
    try {
      stages[stage]?.();
    } catch (thrown) {
      errorOf(thrown);
      rm.traceFailure(`VM_RESET of VM ${vm.vmid}`, thrown as RmFailure);
    }
    if (stage + 1 < stages.length) rm.defer(() => run(stage + 1));
  };
  rm.defer(() => run(0));
}

/** Parcels that the VM accepted go back to SHARING; parcels that it owned, to itself, as far as their users let go. */
function releaseParcels(rm: RmContext, vm: Vm): void {
  for (const parcel of [...rm.parcels]) {
    if (parcel.acceptances.has(vm.vmid)) {
      dropAcceptance(rm, vm, parcel, false);
      const memInfoTag = parcel.tag ?? 0;
      rm.notify(rm.vms.get(parcel.owner), "MEM_RELEASED", { handle: parcel.handle, vmid: vm.vmid, memInfoTag });
    }
  }
  for (const parcel of rm.parcels.ownedBy(vm.vmid)) {
    for (const vmid of [...parcel.acceptances.keys()]) {
      const borrower = rm.vms.get(vmid);
      if (borrower !== undefined) dropAcceptance(rm, borrower, parcel, parcel.sanitizeOnCreate);
    }
    // Locked: it stays in its extent, nobody's.
    if (parcel.locked) rm.parcels.delete(parcel);
    else reclaimParcel(rm, vm, parcel);
  }
}

function destroyVm(rm: RmContext, vm: Vm): void {
  const memextent = vm.objects?.memextent;
  if (memextent !== undefined) rm.objects.destroy(memextent);
  vm.undoVm.run();
  vm.objects = undefined;
  recoverMemory(rm, vm.donated);
}
