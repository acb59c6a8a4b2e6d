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
import type { CapArgument, Results } from "../hypercall/arguments.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { VicObject } from "../vgic/vic-object.ts";
import { checkVcpu, runVcpu } from "./run.ts";
import { type RunReport, Vcpu } from "./vcpu.ts";

/** scheduler_yield control: hints that an implementation defines. */
const YIELD_IMP_DEF = 0x8000_0000;
const YIELD_HINT = 0xffff;
const KEEP_ENTRY = VcpuPoweronFlags.pack({ preserveEntryPoint: 1 });
const KEEP_CONTEXT = VcpuPoweronFlags.pack({ preserveContext: 1 });
const LAST_VCPU = VcpuPoweroffFlags.pack({ lastVcpu: 1 });

export function addVcpuCalls(table: HypercallTable): void {
  table.add(Hypercall.vcpu_configure, (caller, args) => {
    // Reserved option bits come before the capability.
    const low = args.options.low;
    const high = args.options.high;
    if (Vcpu.hasUnknownOption(low, high)) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookupForConfigure(args.vcpu, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.isInit ? vcpu.configure(low, high) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.vcpu_poweron, (caller, args) => {
    const flags = args.flags;
    if (VcpuPoweronFlags.reserved(flags) !== 0 || args.word("flags").high !== 0) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.POWER);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.powerOn(
      (flags & KEEP_ENTRY) !== 0 ? undefined : args.entry_point.value,
      (flags & KEEP_CONTEXT) !== 0 ? undefined : args.context.value,
    );
  });
  table.add(Hypercall.vcpu_poweroff, (caller, args) => {
    const flags = args.flags;
    if (VcpuPoweroffFlags.reserved(flags) !== 0 || args.word("flags").high !== 0) return GunyahError.ARGUMENT_INVALID;
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.POWER);
    if (typeof vcpu === "number") return vcpu;
    if ((vcpu as unknown) !== caller) return GunyahError.ARGUMENT_INVALID;
    return vcpu.powerOff((flags & LAST_VCPU) !== 0, false);
  });
  table.add(Hypercall.vcpu_kill, (caller, args) => {
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.LIFECYCLE);
    return typeof vcpu === "number" ? vcpu : vcpu.kill();
  });
  table.add(Hypercall.vcpu_set_affinity, (caller: Vcpu, args) => {
    const isNone =
      args.cpu_index.low >= 0xffff &&
      (args.cpu_index.value === 0xffffn ||
        args.cpu_index.value === 0xffff_ffffn ||
        args.cpu_index.value === 0xffff_ffff_ffff_ffffn);
    const cpu = isNone ? -1 : args.cpu_index.num;
    if (!isNone && cpu >= caller.runtime.scheduler.cpuCount) return GunyahError.ARGUMENT_INVALID;
    const rights = isNone ? ThreadRight.AFFINITY | ThreadRight.DISABLE : ThreadRight.AFFINITY;
    const vcpu = caller.cspace.lookupAnyState(args.vcpu, Vcpu, rights);
    if (typeof vcpu === "number") return vcpu;
    return vcpu.isInit || vcpu.isActive ? vcpu.setAffinity(cpu) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.vcpu_set_priority, (caller, args) => {
    const vcpu = caller.cspace.lookupAnyState(args.vcpu, Vcpu, ThreadRight.PRIORITY);
    if (typeof vcpu === "number") return vcpu;
    if (args.word("priority").num > Limits.MAX_PRIORITY) return GunyahError.DENIED;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    vcpu.priority = args.priority;
    return GunyahError.OK;
  });
  table.add(Hypercall.vcpu_set_timeslice, (caller, args) => {
    const vcpu = caller.cspace.lookupAnyState(args.vcpu, Vcpu, ThreadRight.TIMESLICE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    const ns = args.timeslice_ns.num;
    if (ns < Limits.MIN_TIMESLICE_NS || ns > Limits.MAX_TIMESLICE_NS) return GunyahError.ARGUMENT_INVALID;
    vcpu.timesliceNs = ns;
    return GunyahError.OK;
  });
  table.add(Hypercall.vcpu_bind_virq, (caller, args) => {
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.BIND_VIRQ);
    if (typeof vcpu === "number") return vcpu;
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vcpu.bindVirq(vic, args.virq_info, args.word("virq_type").num);
  });
  table.add(Hypercall.vcpu_unbind_virq, (caller, args) => {
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.BIND_VIRQ);
    return typeof vcpu === "number" ? vcpu : vcpu.unbindVirq(args.word("virq_type").num);
  });
  table.add(Hypercall.vcpu_register_write, (caller, args) => {
    const vcpu = caller.cspace.lookupAnyState(args.vcpu, Vcpu, ThreadRight.WRITE_CONTEXT);
    return typeof vcpu === "number"
      ? vcpu
      : vcpu.writeRegister(args.word("register_set").num, args.word("register_index").num, args.value.value);
  });
  addRunCalls(table);
}

/** A vCPU that spends the caller's time: `vcpu_run`, and yields of the caller's own. */
function addRunCalls(table: HypercallTable): void {
  table.add(Hypercall.vcpu_run, (caller: Vcpu, args, results) => {
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.AFFINITY | ThreadRight.YIELD_TO);
    if (typeof vcpu === "number") return vcpu;
    vcpu.retain();
    const report = caller.scratchReport;
    const error = runVcpu(caller, vcpu, args.resume_data_0, args.resume_data_1, report);
    vcpu.release();
    if (error === GunyahError.OK) writeReport(results, report);
    return error;
  });
  table.add(Hypercall.vcpu_run_check, (caller: Vcpu, args, results) => {
    const vcpu = caller.cspace.lookup(args.vcpu, Vcpu, ThreadRight.BIND_VIRQ | ThreadRight.STATE);
    if (typeof vcpu === "number") return vcpu;
    const report = caller.scratchReport;
    const error = checkVcpu(vcpu, report);
    if (error === GunyahError.OK) writeReport(results, report);
    return error;
  });
  table.add(Hypercall.scheduler_yield, (caller: Vcpu, args) => {
    const control = args.control;
    if ((control & YIELD_IMP_DEF) !== 0) return GunyahError.ARGUMENT_INVALID;
    switch (control & YIELD_HINT) {
      case SchedulerYieldHint.YIELD:
        caller.yield();
        return GunyahError.OK;
      case SchedulerYieldHint.YIELD_TO_THREAD: {
        const vcpu = caller.cspace.lookup(args.arg1 as CapArgument<"thread">, Vcpu, ThreadRight.YIELD_TO);
        if (typeof vcpu === "number") return vcpu;
        const { scheduler } = caller.runtime;
        if (vcpu.isRunnable && !vcpu.isExecuting) scheduler.execute(vcpu, scheduler.quantum, caller);
        return GunyahError.OK;
      }
      default:
        return GunyahError.ARGUMENT_INVALID;
    }
  });
}

function writeReport(results: Results<typeof Hypercall.vcpu_run>, report: RunReport): void {
  results.state = report.state;
  results.state_data_0.value = report.data0;
  results.state_data_1.value = report.data1;
  results.state_data_2.value = report.data2;
}
