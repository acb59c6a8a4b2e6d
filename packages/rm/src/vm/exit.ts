import { GunyahError, Hypercall, unpackResetWord, VcpuRunState, VmExitFlag, VmExitType, VmState } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { setState } from "./state.ts";
import type { Vcpu, Vm } from "./vm.ts";

/**
 * A VM ends: its vCPUs are killed, its peers hear VM_STATUS and then its owner VM_EXITED.
 * @param flags bits 15:0 of the first reason word @param code bits 31:16 @param extra further reason words
 * Source: gunyah-resource-manager src/vm_mgnt/vm_mgnt.c, vm_mgnt_exit
 */
export function exitVm(
  rm: RmContext,
  vm: Vm,
  exitType: VmExitType,
  flags = 0,
  code = 0,
  extra: readonly number[] = [],
) {
  if (vm.state !== VmState.RUNNING && vm.state !== VmState.PAUSED) return;
  for (const { cap } of vm.objects?.vcpus ?? []) rm.hvc.call(Hypercall.vcpu_kill, { vcpu: cap });
  setState(rm, vm, VmState.EXITED);
  const reason = new Uint8Array(4 * (1 + extra.length));
  const view = new DataView(reason.buffer);
  view.setUint32(0, ((code << 16) | flags) >>> 0, true);
  extra.forEach((word, i) => {
    view.setUint32(4 + 4 * i, word, true);
  });
  rm.notify(rm.vms.get(vm.owner), "VM_EXITED", { vmid: vm.vmid, exitType, reason });
}

/** HALT virq of a vCPU: it made a PSCI system call, or took a fault that nothing handles. */
export function onHalt(rm: RmContext, vm: Vm, vcpu: Vcpu): void {
  const check = rm.hvc.call(Hypercall.vcpu_run_check, { vcpu: vcpu.cap });
  if (check.error !== GunyahError.OK) return;
  switch (check.state) {
    case VcpuRunState.PSCI_SYSTEM_RESET: {
      const reset = unpackResetWord(check.state_data_0);
      if (reset.plainReset) {
        exitVm(rm, vm, VmExitType.PLATFORM_RESET);
        break;
      }
      const cookie = check.state_data_1;
      const words = [reset.type, Number(cookie & 0xffff_ffffn), Number(cookie >> 32n)];
      exitVm(rm, vm, VmExitType.PSCI_SYSTEM_RESET2, reset.smc64 ? VmExitFlag.SMC64 : 0, 0, words);
      break;
    }
    case VcpuRunState.POWERED_OFF:
      exitVm(rm, vm, VmExitType.PLATFORM_OFF);
      break;
    case VcpuRunState.FAULT:
      exitVm(rm, vm, VmExitType.SOFTWARE_ERROR);
      break;
    default:
      // Woken up in between, or killed: not an exit.
      break;
  }
}
