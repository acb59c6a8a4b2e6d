/**
 * vcpu_run: the caller lends its turn to a proxy-scheduled vCPU.
 * Source: gunyah-hypervisor hyp/vm/vcpu_run/src/vcpu_run.c
 */

import { GunyahError, VcpuRunState } from "@gunyah-ts/abi";
import type { RegisterWord } from "../hypercall/registers.ts";
import { Block } from "./block.ts";
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
  const error = vcpu.vmmio.resume(value, action.num);
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
