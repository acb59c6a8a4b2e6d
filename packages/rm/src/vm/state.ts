import { RmNotifications, VmState, vmStateName } from "@gunyah-ts/abi";
import { bug } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import type { Vm } from "./vm.ts";

/** State → states that may follow. Source: gunyah-resource-manager src/vm_mgnt/vm_mgnt.c, vm_mgnt_state_change_valid */
const NEXT: Readonly<Record<number, readonly VmState[]>> = {
  [VmState.NONE]: [VmState.LOAD],
  [VmState.LOAD]: [VmState.AUTH, VmState.INIT, VmState.INIT_FAILED, VmState.NONE],
  [VmState.AUTH]: [VmState.INIT, VmState.INIT_FAILED],
  [VmState.INIT]: [VmState.READY, VmState.INIT_FAILED],
  [VmState.READY]: [VmState.RUNNING, VmState.INIT_FAILED, VmState.RESETTING],
  [VmState.RUNNING]: [VmState.PAUSED, VmState.EXITED],
  [VmState.PAUSED]: [VmState.RUNNING, VmState.EXITED],
  [VmState.INIT_FAILED]: [VmState.RESETTING],
  [VmState.EXITED]: [VmState.RESETTING],
  [VmState.RESETTING]: [VmState.RESET],
  [VmState.RESET]: [VmState.AUTH, VmState.INIT, VmState.INIT_FAILED, VmState.NONE],
};

export function mayFollow(from: VmState, to: VmState): boolean {
  return NEXT[from]?.includes(to) ?? false;
}

/** Change a VM's state and tell every running peer, its owner included. */
export function setState(rm: RmContext, vm: Vm, state: VmState): void {
  if (!mayFollow(vm.state, state))
    bug("BUG_RM_VM_STATE", `VM ${vm.vmid}: ${vmStateName(state)} cannot follow ${vmStateName(vm.state)}`);
  vm.state = state;
  rm.traceState(vm);
  notifyStatus(rm, vm);
}

/** VM_STATUS to the running peers. */
export function notifyStatus(rm: RmContext, vm: Vm): void {
  const payload = RmNotifications.VM_STATUS.payload.encode({
    vmid: vm.vmid,
    vmState: vm.state,
    osState: vm.osState,
    appState: vm.appState,
  });
  for (const peer of vm.peers) {
    const to = rm.vms.get(peer);
    if (to?.state === VmState.RUNNING) to.client?.notify(RmNotifications.VM_STATUS.id, payload);
  }
}
