/**
 * vcpu_run: the caller lends its turn to a proxy-scheduled vCPU.
 * Source: gunyah-hypervisor hyp/vm/vcpu_run/src/vcpu_run.c
 */

import { GunyahError, VcpuResumeAction, VcpuRunState } from "@gunyah-ts/abi";
import type { RegisterWord } from "../hypercall/registers.ts";
import { completeRead, completeWrite, refuseAccess } from "../trap/abort.ts";
import { Block } from "./block.ts";
import { PeEngine } from "./pe-engine.ts";
import type { RunReport, Vcpu } from "./vcpu.ts";

/**
 * Resume `vcpu` with what its proxy found, execute it for a quantum at most, and report.
 *
 * Differs: the action is of Linux v15 and later; the December 2023 source ignores that word.
 * @param value resume_data_0: what a read gets @param action resume_data_1, see `VcpuResumeAction`
 * @returns GunyahError: BUSY when it is not blocked by "needs vcpu_run"; ARGUMENT_INVALID for an unknown action
 */
export function runVcpu(
  caller: Vcpu,
  vcpu: Vcpu,
  value: RegisterWord,
  action: RegisterWord,
  report: RunReport,
): number {
  if ((vcpu.blocks & Block.VCPU_RUN) === 0 || vcpu.isExecuting) return GunyahError.BUSY;
  const error = resume(vcpu, value, action.num);
  if (error !== GunyahError.OK) return error;
  vcpu.clearBlock(Block.VCPU_RUN);
  if (vcpu.isRunnable) {
    vcpu.affinity = caller.affinity;
    execute(caller, vcpu);
  }
  if (vcpu.isRunnable) {
    report.state = VcpuRunState.READY;
    report.data0 = 0n;
    report.data1 = 0n;
    report.data2 = 0n;
  } else {
    vcpu.report(report);
  }
  vcpu.lastRunState = report.state;
  vcpu.block(Block.VCPU_RUN);
  return GunyahError.OK;
}

/** vcpu_run_check. @returns GunyahError: BUSY when it is runnable or only briefly blocked */
export function checkVcpu(vcpu: Vcpu, report: RunReport): number {
  if (vcpu.isRunnable) return GunyahError.BUSY;
  vcpu.report(report);
  return report.state === VcpuRunState.BLOCKED ? GunyahError.BUSY : GunyahError.OK;
}

/**
 * Execute until the quantum ends, the vCPU stops, or the caller has an interrupt to take.
 * Differs: inside the hypercall, on the caller's stack; there the caller's CPU switches to the vCPU.
 */
function execute(caller: Vcpu, vcpu: Vcpu): void {
  const { scheduler } = vcpu.runtime;
  let left = scheduler.quantum;
  do {
    left -= Math.max(scheduler.execute(vcpu, left, caller), 1);
    scheduler.runAbove(caller);
    if (caller.isDying || caller.engine?.isInterrupted === true) return;
  } while (left > 0 && vcpu.isRunnable && vcpu.takeYield() === false);
}

/** What the proxy did about the last report. */
function resume(vcpu: Vcpu, value: RegisterWord, action: number): number {
  const { access, engine } = vcpu;
  if (access === undefined || !(engine instanceof PeEngine)) return GunyahError.OK;
  const state = vcpu.lastRunState;
  switch (state) {
    case VcpuRunState.ADDRSPACE_VMMIO_READ:
    case VcpuRunState.ADDRSPACE_VMMIO_WRITE:
    case VcpuRunState.ADDRSPACE_PAGE_FAULT:
      break;
    default:
      return GunyahError.OK;
  }
  if (action > VcpuResumeAction.FAULT) return GunyahError.ARGUMENT_INVALID;
  if (action === VcpuResumeAction.FAULT) refuseAccess(engine);
  else if (action === VcpuResumeAction.EMULATE) {
    // A page fault has nothing to emulate: the access is tried again.
    if (state === VcpuRunState.ADDRSPACE_VMMIO_READ) completeRead(engine, value.low, value.high);
    else if (state === VcpuRunState.ADDRSPACE_VMMIO_WRITE) completeWrite(engine);
  }
  vcpu.access = undefined;
  vcpu.clearBlock(Block.ADDRSPACE_VMMIO_ACCESS | Block.ADDRSPACE_PAGE_FAULT);
  return GunyahError.OK;
}
