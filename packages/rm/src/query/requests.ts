import { RmCalls, RmError, VM_CRASH_MSG_MAX, VM_HOST_TYPE, VmIdType, VmState } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check } from "../errors.ts";
import type { Request, Vm } from "../vm/vm.ts";

/**
 * Questions about VMs.
 * Source: gunyah-resource-manager src/vm_mgnt/vm_mgnt.c (vm_query), src/vm_creation/vm_resource_msg.c
 */
const self = (rm: RmContext, caller: Vm, vmid: number): Vm | undefined => (vmid === 0 ? caller : rm.vms.get(vmid));

/** VM_GET_HYP_RESOURCES: vCPUs, virtual devices, extents; what the caller may see. */
export function hypResources(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_HYP_RESOURCES">): Uint8Array {
  const vm = self(rm, caller, vmid);
  check(vm !== undefined, RmError.ARGUMENT_INVALID, `no VM ${vmid}`);
  check(vm.config !== undefined && vm.objects !== undefined, RmError.NORESOURCE, "not configured");
  const resources = vm.resources.filter(({ viewer }) => viewer === caller.vmid).map(({ resource }) => resource);
  return RmCalls.VM_GET_HYP_RESOURCES.reply.encode({ resources });
}

export function getId(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_ID">): Uint8Array {
  const vm = self(rm, caller, vmid);
  check(vm !== undefined, RmError.ARGUMENT_INVALID, `no VM ${vmid}`);
  const texts = [
    { type: VmIdType.GUID, text: vm.guid },
    { type: VmIdType.URI, text: vm.uri },
    { type: VmIdType.NAME, text: vm.name },
  ];
  const encoder = new TextEncoder();
  const ids = texts.flatMap(({ type, text }) => (text === undefined ? [] : [{ type, data: encoder.encode(text) }]));
  return RmCalls.VM_GET_ID.reply.encode({ ids });
}

/** @param identity which of a VM's identities is compared */
export function lookup(
  rm: RmContext,
  { text }: Request<"VM_LOOKUP_NAME">,
  identity: (vm: Vm) => string | undefined,
): Uint8Array {
  check(text.length > 0, RmError.MSG_INVALID, "empty");
  // The string is padded with zeroes to a multiple of four.
  let end = text.length;
  while (end > 0 && text[end - 1] === 0) end--;
  const wanted = new TextDecoder().decode(text.subarray(0, end)).toLowerCase();
  const vmids: number[] = [];
  for (const vm of rm.vms) if (identity(vm)?.toLowerCase() === wanted) vmids.push(vm.vmid);
  return RmCalls.VM_LOOKUP_NAME.reply.encode({ vmids });
}

export function getOwner(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_OWNER">): Uint8Array {
  const vm = self(rm, caller, vmid);
  check(vm !== undefined, RmError.ARGUMENT_INVALID, `no VM ${vmid}`);
  return RmCalls.VM_GET_OWNER.reply.encode({ vmid: vm.owner });
}

export function getState(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_STATE">): Uint8Array {
  const vm = self(rm, caller, vmid);
  check(vm !== undefined, RmError.NORESOURCE, `no VM ${vmid}`);
  const related = vm === caller || vm.owner === caller.vmid || vm.peers.has(caller.vmid);
  check(related, RmError.DENIED, "neither owner nor peer");
  const { state: vmState, osState, appState } = vm;
  return RmCalls.VM_GET_STATE.reply.encode({ vmState, osState, appState });
}

export function getPeers(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_PEERS">): Uint8Array {
  const vm = self(rm, caller, vmid);
  check(vm !== undefined, RmError.ARGUMENT_INVALID, `no VM ${vmid}`);
  return RmCalls.VM_GET_PEERS.reply.encode({ vmids: [...vm.peers] });
}

export const getVmid = (caller: Vm): Uint8Array => RmCalls.VM_GET_VMID.reply.encode({ vmid: caller.vmid });
export const hostType = (): Uint8Array => RmCalls.VM_HOST_GET_TYPE.reply.encode({ type: VM_HOST_TYPE });

export function setCrashMessage(caller: Vm, payload: Uint8Array): void {
  check(payload.length <= VM_CRASH_MSG_MAX, RmError.MSG_INVALID, "too long");
  caller.crashMessage = payload.slice();
}
/** The owner reads it after the VM is gone. */
export function getCrashMessage(rm: RmContext, caller: Vm, { vmid }: Request<"VM_GET_CRASH_MSG">): Uint8Array {
  const vm = rm.vms.get(vmid);
  check(vm !== undefined, RmError.VMID_INVALID, `no VM ${vmid}`);
  check(vm.owner === caller.vmid, RmError.DENIED, "not the owner");
  const gone = vm.state === VmState.EXITED || vm.crashMessage.length > 0;
  check(gone, RmError.NORESOURCE, "no crash message");
  return RmCalls.VM_GET_CRASH_MSG.reply.encode({ text: vm.crashMessage });
}
