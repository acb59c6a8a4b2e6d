import { VM_STOP_REASON_LINUX, VMID_INVALID, VmStopFlag } from "@gunyah-ts/abi";
import { reclaimParcel } from "../rm/parcel.ts";
import type { Vm } from "./vm.ts";

/**
 * The last reference to the VM is gone: stop, take everything back, reset, deallocate.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, _gunyah_vm_put
 */
export async function destroyVm(vm: Vm): Promise<void> {
  const { rm, kernel, platform } = vm.driver;
  const { profile } = kernel;

  if (vm.status === "RUNNING") {
    const stopped = await rm.call("VM_STOP", {
      vmid: vm.vmid,
      flags: VmStopFlag.FORCE,
      reason: VM_STOP_REASON_LINUX,
    });
    if (stopped.errno !== 0) kernel.log("warn", `VM ${vm.vmid}: failed to stop, ${stopped.errno}`);
    await vm.waitStatus((s) => (profile.stopWaitsForNotRunning ? s !== "RUNNING" : s === "EXITED"));
  }

  if (!profile.guestMemoryFds) {
    vm.functions.clear();
    clearResources(vm);
    await reset(vm);
    for (const parcel of vm.regionParcels) await reclaimParcel(rm, platform, parcel);
    vm.regions.clear();
    await deallocate(vm);
    return;
  }

  if (vm.status === "LOAD" || vm.status === "READY" || vm.status === "INIT_FAILED") await vm.dtb?.reclaim(vm);
  vm.functions.clear();
  const error = vm.mm.clear();
  if (error !== 0) kernel.log("error", `VM ${vm.vmid}: failed to take memory back, ${error}`);
  clearResources(vm);
  await reset(vm);
  await deallocate(vm);
}

function clearResources(vm: Vm): void {
  for (const ticket of vm.mmTickets) vm.resources.removeTicket(ticket);
  for (const ticket of vm.resources.clear())
    vm.driver.kernel.log("warn", `VM ${vm.vmid}: ticket type ${ticket.type} label ${ticket.label} was left behind`);
}

async function reset(vm: Vm): Promise<void> {
  const { rm, kernel } = vm.driver;
  const { strictReset } = kernel.profile;
  const { status } = vm;
  const wanted = strictReset
    ? status === "EXITED" || status === "READY" || status === "INIT_FAILED"
    : status !== "NO_STATE" && status !== "LOAD" && status !== "RESET";
  if (!wanted) return;
  const done = await rm.call("VM_RESET", { vmid: vm.vmid, reserved: 0 });
  if (done.errno !== 0) kernel.log("error", `VM ${vm.vmid}: failed to reset, ${done.errno}`);
  if (done.errno === 0 || !strictReset) await vm.waitStatus((s) => s === "RESET");
}

async function deallocate(vm: Vm): Promise<void> {
  const { rm, kernel } = vm.driver;
  if (vm.status !== "NO_STATE") {
    vm.stopListening?.();
    const done = await rm.call("VM_DEALLOCATE", { vmid: vm.vmid, reserved: 0 });
    if (done.errno !== 0) kernel.log("warn", `VM ${vm.vmid}: failed to deallocate the VMID, ${done.errno}`);
    vm.vmid = VMID_INVALID;
  }
  vm.driver.vmDestroyed(vm);
}
