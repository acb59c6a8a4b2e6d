/**
 * Hypercalls of vCPUs and the scheduler.
 * Source: gunyah-hypervisor hyp/vm/vcpu/aarch64/src/hypercalls.c, hyp/vm/vcpu_run/src/vcpu_run.c,
 * hyp/core/scheduler_fprr/src/hypercalls.c
 */

import {
  GunyahError,
  Hypercall,
  Scheduler as Limits,
  OBJECT_ACTIVATE,
  SchedulerYieldHint,
  ThreadRight,
  VcpuPoweroffFlags,
  VcpuPoweronFlags,
  VicRight,
} from "@gunyah-ts/abi";
import type { Registers } from "../hypercall/registers.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { VicObject } from "../vgic/vic-object.ts";
import { checkVcpu, runVcpu } from "./run.ts";
import { type RunReport, Vcpu } from "./vcpu.ts";

/** scheduler_yield control: hints that an implementation defines. */
const YIELD_IMP_DEF = 0x8000_0000;
const YIELD_HINT = 0xffff;

export function addVcpuCalls(table: HypercallTable): void {
  table.add(Hypercall.vcpu_configure, (caller, r) => {
    // Reserved option bits come before the capability.
    const low = r.low(2);
    const high = r.high(2);
    if (Vcpu.hasUnknownOption(low, high)) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookupForConfigure(r, 1, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.isInit ? vcpu.configure(low, high) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.vcpu_poweron, (caller, r) => {
    const flags = r.low(4);
    if (VcpuPoweronFlags.reserved(flags) !== 0 || r.high(4) !== 0) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.POWER);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.powerOn((flags & 1) !== 0 ? undefined : r.x[2]!, (flags & 2) !== 0 ? undefined : r.x[3]!);
  });
  table.add(Hypercall.vcpu_poweroff, (caller, r) => {
    const flags = r.low(2);
    if (VcpuPoweroffFlags.reserved(flags) !== 0 || r.high(2) !== 0) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.POWER);
    if (typeof vcpu === "number") return vcpu;
    if ((vcpu as unknown) !== caller) return GunyahError.ARGUMENT_INVALID;
    return vcpu.powerOff((flags & 1) !== 0, false);
  });
  table.add(Hypercall.vcpu_kill, (caller, r) => {
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.LIFECYCLE);
    return typeof vcpu === "number" ? vcpu : vcpu.kill();
  });
  table.add(Hypercall.vcpu_set_affinity, (caller: Vcpu, r) => {
    const isNone =
      r.low(2) >= 0xffff && (r.x[2] === 0xffffn || r.x[2] === 0xffff_ffffn || r.x[2] === 0xffff_ffff_ffff_ffffn);
    const cpu = isNone ? -1 : r.num(2);
    if (!isNone && cpu >= caller.runtime.scheduler.cpuCount) return GunyahError.ARGUMENT_INVALID;
    const rights = isNone ? ThreadRight.AFFINITY | ThreadRight.DISABLE : ThreadRight.AFFINITY;
    const vcpu = caller.cspace.lookupAnyState(r, 1, Vcpu, rights);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.isInit || vcpu.isActive ? vcpu.setAffinity(cpu) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.vcpu_set_priority, (caller, r) => {
    const vcpu = caller.cspace.lookupAnyState(r, 1, Vcpu, ThreadRight.PRIORITY);
    if (typeof vcpu === "number") return vcpu;
    if (r.num(2) > Limits.MAX_PRIORITY) return GunyahError.DENIED;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    vcpu.priority = r.low(2);
    return GunyahError.OK;
  });
  table.add(Hypercall.vcpu_set_timeslice, (caller, r) => {
    const vcpu = caller.cspace.lookupAnyState(r, 1, Vcpu, ThreadRight.TIMESLICE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    const ns = r.num(2);
    if (ns < Limits.MIN_TIMESLICE_NS || ns > Limits.MAX_TIMESLICE_NS) return GunyahError.ARGUMENT_INVALID;
    vcpu.timesliceNs = ns;
    return GunyahError.OK;
  });
  table.add(Hypercall.vcpu_bind_virq, (caller, r) => {
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.BIND_VIRQ);
    if (typeof vcpu === "number") return vcpu;
    const vic = caller.cspace.lookup(r, 2, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vcpu.bindVirq(vic, r.low(3), r.num(4));
  });
  table.add(Hypercall.vcpu_unbind_virq, (caller, r) => {
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.BIND_VIRQ);
    return typeof vcpu === "number" ? vcpu : vcpu.unbindVirq(r.num(2));
  });
  table.add(Hypercall.vcpu_register_write, (caller, r) => {
    const vcpu = caller.cspace.lookupAnyState(r, 1, Vcpu, ThreadRight.WRITE_CONTEXT);
    return typeof vcpu === "number" ? vcpu : vcpu.writeRegister(r.num(2), r.num(3), r.x[4]!);
  });
  table.add(Hypercall.vcpu_run, (caller: Vcpu, r) => {
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.AFFINITY | ThreadRight.YIELD_TO);
    if (typeof vcpu === "number") return vcpu;
    vcpu.retain();
    const report = caller.scratchReport;
    const error = runVcpu(caller, vcpu, r, report);
    vcpu.release();
    if (error === GunyahError.OK) writeReport(r, report);
    return error;
  });
  table.add(Hypercall.vcpu_run_check, (caller: Vcpu, r) => {
    const vcpu = caller.cspace.lookup(r, 1, Vcpu, ThreadRight.BIND_VIRQ | ThreadRight.STATE);
    if (typeof vcpu === "number") return vcpu;
    const report = caller.scratchReport;
    const error = checkVcpu(vcpu, report);
    if (error === GunyahError.OK) writeReport(r, report);
    return error;
  });
  table.add(Hypercall.scheduler_yield, (caller: Vcpu, r) => {
    const control = r.low(1);
    if ((control & YIELD_IMP_DEF) !== 0) return GunyahError.ARGUMENT_INVALID;
    switch (control & YIELD_HINT) {
      case SchedulerYieldHint.YIELD:
        caller.yield();
        return GunyahError.OK;
      case SchedulerYieldHint.YIELD_TO_THREAD: {
        const vcpu = caller.cspace.lookup(r, 2, Vcpu, ThreadRight.YIELD_TO);
        if (typeof vcpu === "number") return vcpu;
        const { scheduler } = caller.runtime;
        if (vcpu.isRunnable && !vcpu.isExecuting) scheduler.execute(vcpu, scheduler.quantum);
        return GunyahError.OK;
      }
      default:
        return GunyahError.ARGUMENT_INVALID;
    }
  });
}

function writeReport(r: Registers, report: RunReport): void {
  r.set(1, report.state);
  r.x[2] = report.data0;
  r.x[3] = report.data1;
  r.x[4] = report.data2;
}
