/** Documented errors of the vCPU, scheduler, interrupt controller, VPM and watchdog calls. */

import {
  CspaceRight,
  GunyahError as E,
  HwirqRight,
  Hypercall,
  OBJECT_ACTIVATE,
  PartitionRight,
  ThreadRight,
  VicRight,
  VpmGroupRight,
  WatchdogRight,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { create, createAddrspace, type World } from "./fixture.ts";
import { type Args, type CallSpec, type CapLookup, emptyCap, weakCap } from "./hypercall-spec.ts";
import { createMachineWorld, machineOf } from "./machine-world.ts";

const set = (index: number, value: number | bigint) => (args: Args) => {
  args[index] = value;
};
const lookup = (
  arg: number,
  type: CapLookup["type"],
  right: number,
  mode: CapLookup["mode"] = "active",
): CapLookup => ({
  arg,
  type,
  right,
  mode,
});

function vic(world: World, activate = true): CapId {
  const cap = create(world, "vic");
  world.root.ok(Hypercall.vic_configure, cap, 2, 64, 0, 0);
  if (activate) world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

function vpm(world: World): CapId {
  const cap = create(world, "vpm_group");
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

/** A vCPU with everything attached, INIT. */
function thread(world: World): CapId {
  const cap = create(world, "thread");
  const spaces = [...world.core.vmids.keys()];
  const vmid = 100 + spaces.length;
  world.root.ok(Hypercall.cspace_attach_thread, world.caps.cspace, cap);
  world.root.ok(Hypercall.addrspace_attach_thread, createAddrspace(world, vmid), cap);
  world.root.ok(Hypercall.vic_attach_vcpu, vic(world), cap, 0);
  return cap;
}

/** ACTIVE, powered off, run by vcpu_run alone. */
function proxy(world: World): CapId {
  const cap = active(world);
  world.root.ok(Hypercall.vcpu_bind_virq, cap, vic(world), 40, 1);
  return cap;
}

function active(world: World): CapId {
  const cap = thread(world);
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

const kill = (args: Args, world: World) => {
  world.root.ok(Hypercall.vcpu_kill, args[0] as CapId);
};
const powerOn = (args: Args, world: World) => {
  world.root.ok(Hypercall.vcpu_poweron, args[0] as CapId, 0x1000, 0, 0);
};
const activate = (args: Args, world: World) => {
  world.root.ok(Hypercall.object_activate, args[0] as CapId);
};

function watchdog(world: World): CapId {
  const cap = create(world, "watchdog");
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

const specs: readonly CallSpec[] = [
  {
    call: "partition_create_watchdog",
    good: (w) => [w.caps.partition, w.caps.cspace, 0],
    lookups: [lookup(0, "partition", PartitionRight.OBJECT_CREATE), lookup(1, "cspace", CspaceRight.CAP_CREATE)],
  },
  { call: "partition_create_vpm_group", good: (w) => [w.caps.partition, w.caps.cspace, 0], lookups: [] },
  {
    call: "vcpu_configure",
    good: (w) => [thread(w), 0, 0],
    before: [{ when: "unknown option", error: E.ARGUMENT_INVALID, apply: set(1, 1n << 40n) }],
    lookups: [lookup(0, "thread", OBJECT_ACTIVATE, "configure")],
  },
  {
    call: "vcpu_poweron",
    good: (w) => [proxy(w), 0x1000, 0, 0],
    before: [{ when: "unknown flag", error: E.ARGUMENT_INVALID, apply: set(3, 8) }],
    lookups: [lookup(0, "thread", ThreadRight.POWER)],
    faults: [
      { when: "killed", error: E.FAILURE, apply: kill, alone: true },
      { when: "not powered off", error: E.BUSY, apply: powerOn, alone: true },
    ],
  },
  {
    call: "vcpu_poweroff",
    good: (w) => [proxy(w), 0],
    before: [{ when: "unknown flag", error: E.ARGUMENT_INVALID, apply: set(1, 8) }],
    lookups: [lookup(0, "thread", ThreadRight.POWER)],
    // Another vCPU than the caller.
    result: E.ARGUMENT_INVALID,
  },
  {
    call: "vcpu_kill",
    good: (w) => [proxy(w), 0],
    lookups: [lookup(0, "thread", ThreadRight.LIFECYCLE)],
    faults: [{ when: "killed already", error: E.OK, apply: kill, alone: true }],
  },
  {
    call: "vcpu_set_affinity",
    good: (w) => [active(w), 1, -1],
    before: [{ when: "CPU that does not exist", error: E.ARGUMENT_INVALID, apply: set(1, 2) }],
    lookups: [lookup(0, "thread", ThreadRight.AFFINITY, "any")],
    faults: [
      {
        when: "no CPU, without DISABLE",
        error: E.CSPACE_INSUFFICIENT_RIGHTS,
        apply: (a, w) => {
          a[0] = weakCap(w, a[0] as CapId, ThreadRight.DISABLE);
          a[1] = -1;
        },
        alone: true,
      },
      {
        when: "pinned",
        error: E.DENIED,
        apply: (a, w) => {
          a[0] = thread(w);
          w.root.ok(Hypercall.vcpu_configure, a[0], 1);
          w.root.ok(Hypercall.object_activate, a[0]);
        },
        alone: true,
      },
    ],
  },
  {
    call: "vcpu_set_priority",
    good: (w) => [thread(w), 10],
    lookups: [lookup(0, "thread", ThreadRight.PRIORITY, "any")],
    faults: [
      { when: "above 62", error: E.DENIED, apply: set(1, 63) },
      { when: "not in INIT", error: E.OBJECT_STATE, apply: activate },
    ],
  },
  {
    call: "vcpu_set_timeslice",
    good: (w) => [thread(w), 5_000_000],
    lookups: [lookup(0, "thread", ThreadRight.TIMESLICE, "any")],
    faults: [
      { when: "not in INIT", error: E.OBJECT_STATE, apply: activate, alone: true },
      { when: "below 100 µs", error: E.ARGUMENT_INVALID, apply: set(1, 99_999), alone: true },
      { when: "above 100 ms", error: E.ARGUMENT_INVALID, apply: set(1, 100_000_001), alone: true },
    ],
  },
  {
    call: "vcpu_bind_virq",
    good: (w) => [active(w), vic(w), 40, 1, 0],
    lookups: [lookup(0, "thread", ThreadRight.BIND_VIRQ), lookup(1, "vic", VicRight.BIND_SOURCE)],
    faults: [
      { when: "unknown type", error: E.ARGUMENT_INVALID, apply: set(3, 9) },
      { when: "number is no interrupt", error: E.ARGUMENT_INVALID, apply: set(2, 2000), alone: true },
      {
        when: "bound already",
        error: E.VIRQ_BOUND,
        apply: (a, w) => {
          w.root.ok(Hypercall.vcpu_bind_virq, ...a);
          a[2] = 41;
        },
        alone: true,
      },
      {
        when: "number taken",
        error: E.BUSY,
        apply: (a, w) => {
          w.root.ok(Hypercall.vcpu_bind_virq, active(w), ...a.slice(1));
        },
        alone: true,
      },
    ],
  },
  {
    call: "vcpu_unbind_virq",
    good: (w) => [active(w), 1, 0],
    lookups: [lookup(0, "thread", ThreadRight.BIND_VIRQ)],
    faults: [{ when: "unknown type", error: E.ARGUMENT_INVALID, apply: set(1, 9) }],
  },
  {
    call: "vcpu_register_write",
    good: (w) => [proxy(w), 0, 30, 5, 0],
    lookups: [lookup(0, "thread", ThreadRight.WRITE_CONTEXT, "any")],
    faults: [
      { when: "killed", error: E.OBJECT_STATE, apply: kill, alone: true },
      { when: "not powered off", error: E.BUSY, apply: powerOn, alone: true },
      { when: "unknown register set", error: E.ARGUMENT_INVALID, apply: set(1, 3) },
      { when: "X31", error: E.ARGUMENT_INVALID, apply: set(2, 31), alone: true },
      {
        when: "PC with an index",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[1] = 1;
          a[2] = 1;
        },
        alone: true,
      },
      {
        when: "PC not 4-aligned",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[1] = 1;
          a[2] = 0;
          a[3] = 0x1002;
        },
        alone: true,
      },
      {
        when: "SP not 16-aligned",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[1] = 2;
          a[2] = 1;
          a[3] = 0x1008;
        },
        alone: true,
      },
    ],
  },
  {
    call: "vcpu_run",
    good: (w) => [proxy(w), 0, 0, 0, 0],
    lookups: [lookup(0, "thread", ThreadRight.AFFINITY | ThreadRight.YIELD_TO)],
    faults: [
      {
        when: "not proxy scheduled",
        error: E.BUSY,
        apply: (a, w) => {
          a[0] = active(w);
        },
        alone: true,
      },
    ],
  },
  {
    call: "vcpu_run_check",
    good: (w) => [proxy(w), 0],
    lookups: [lookup(0, "thread", ThreadRight.BIND_VIRQ | ThreadRight.STATE)],
    faults: [{ when: "not halted", error: E.BUSY, apply: powerOn, alone: true }],
  },
  {
    call: "scheduler_yield",
    good: () => [0, 0, 0],
    lookups: [],
    faults: [
      { when: "yield to lower", error: E.ARGUMENT_INVALID, apply: set(0, 2), alone: true },
      { when: "implementation-defined hint", error: E.ARGUMENT_INVALID, apply: set(0, 0x8000_0000), alone: true },
      {
        when: "directed, cap empty",
        error: E.CSPACE_CAP_NULL,
        apply: (a, w) => {
          a[0] = 1;
          a[1] = emptyCap(w);
        },
        alone: true,
      },
      {
        when: "directed, without YIELD_TO",
        error: E.CSPACE_INSUFFICIENT_RIGHTS,
        apply: (a, w) => {
          a[0] = 1;
          a[1] = weakCap(w, active(w), ThreadRight.YIELD_TO);
        },
        alone: true,
      },
      {
        when: "directed, not active",
        error: E.OBJECT_STATE,
        apply: (a, w) => {
          a[0] = 1;
          a[1] = create(w, "thread");
        },
        alone: true,
      },
    ],
  },
  {
    call: "vic_configure",
    good: (w) => [create(w, "vic"), 2, 64, 0, 0],
    lookups: [lookup(0, "vic", OBJECT_ACTIVATE, "configure")],
    faults: [
      { when: "no vCPUs", error: E.ARGUMENT_INVALID, apply: set(1, 0), alone: true },
      { when: "too many shared interrupts", error: E.ARGUMENT_INVALID, apply: set(2, 100_000), alone: true },
    ],
  },
  {
    call: "vic_attach_vcpu",
    good: (w) => [vic(w), thread(w), 0, 0],
    lookups: [lookup(0, "vic", VicRight.ATTACH_VCPU), lookup(1, "thread", OBJECT_ACTIVATE, "configure")],
    faults: [{ when: "index out of range", error: E.ARGUMENT_INVALID, apply: set(2, 2) }],
  },
  {
    call: "vgic_set_mpidr_mapping",
    good: (w) => [vic(w, false), 0xff, 0, 8, 16, 24, 0],
    lookups: [lookup(0, "vic", OBJECT_ACTIVATE, "configure")],
    faults: [{ when: "shift above 31", error: E.ARGUMENT_INVALID, apply: set(2, 32) }],
  },
  {
    call: "vic_bind_msi_source",
    good: (w) => [vic(w), create(w, "doorbell"), 0],
    lookups: [lookup(0, "vic", VicRight.BIND_SOURCE)],
    result: E.CSPACE_WRONG_OBJECT_TYPE,
  },
  {
    call: "hwirq_bind_virq",
    good: (w) => [hwirq(w), vic(w), 40, 0],
    lookups: [lookup(0, "hwirq", HwirqRight.BIND_VIC), lookup(1, "vic", VicRight.BIND_SOURCE)],
    stateless: "hardware interrupts are made at boot, ACTIVE",
    faults: [
      { when: "number is no interrupt", error: E.ARGUMENT_INVALID, apply: set(2, 2000), alone: true },
      {
        when: "bound already",
        error: E.VIRQ_BOUND,
        apply: (a, w) => {
          w.root.ok(Hypercall.hwirq_bind_virq, ...a);
          a[2] = 41;
        },
        alone: true,
      },
      {
        when: "number taken",
        error: E.BUSY,
        apply: (a, w) => {
          w.root.ok(Hypercall.vcpu_bind_virq, active(w), a[1] as CapId, 40, 0);
        },
        alone: true,
      },
    ],
  },
  {
    call: "hwirq_unbind_virq",
    good: (w) => [hwirq(w), 0],
    lookups: [lookup(0, "hwirq", HwirqRight.BIND_VIC)],
    stateless: "hardware interrupts are made at boot, ACTIVE",
  },
  {
    call: "vpm_group_configure",
    good: (w) => [create(w, "vpm_group"), 0, 0],
    before: [{ when: "unknown flag", error: E.ARGUMENT_INVALID, apply: set(1, 4) }],
    lookups: [lookup(0, "vpm_group", OBJECT_ACTIVATE, "configure")],
  },
  {
    call: "vpm_group_attach_vcpu",
    good: (w) => [vpm(w), thread(w), 0, 0],
    lookups: [lookup(0, "vpm_group", VpmGroupRight.ATTACH_VCPU), lookup(1, "thread", OBJECT_ACTIVATE, "configure")],
    faults: [{ when: "index out of range", error: E.ARGUMENT_INVALID, apply: set(2, 100_000) }],
  },
  {
    call: "vpm_group_bind_virq",
    good: (w) => [vpm(w), vic(w), 40, 0],
    lookups: [lookup(0, "vpm_group", VpmGroupRight.BIND_VIRQ), lookup(1, "vic", VicRight.BIND_SOURCE)],
    faults: [
      { when: "number is no interrupt", error: E.ARGUMENT_INVALID, apply: set(2, 2000), alone: true },
      {
        when: "bound already",
        error: E.VIRQ_BOUND,
        apply: (a, w) => {
          w.root.ok(Hypercall.vpm_group_bind_virq, ...a);
          a[2] = 41;
        },
        alone: true,
      },
    ],
  },
  {
    call: "vpm_group_unbind_virq",
    good: (w) => [vpm(w), 0],
    lookups: [lookup(0, "vpm_group", VpmGroupRight.BIND_VIRQ)],
  },
  { call: "vpm_group_get_state", good: (w) => [vpm(w), 0], lookups: [lookup(0, "vpm_group", VpmGroupRight.QUERY)] },
  {
    call: "watchdog_configure",
    good: (w) => [create(w, "watchdog"), 1, 0],
    before: [
      { when: "unknown option", error: E.ARGUMENT_INVALID, apply: set(1, 2) },
      { when: "unknown option, high", error: E.ARGUMENT_INVALID, apply: set(1, 1n << 32n) },
    ],
    lookups: [lookup(0, "watchdog", OBJECT_ACTIVATE, "configure")],
  },
  {
    call: "watchdog_attach_vcpu",
    good: (w) => [watchdog(w), thread(w), 0],
    lookups: [lookup(0, "watchdog", WatchdogRight.ATTACH_VCPU), lookup(1, "thread", OBJECT_ACTIVATE, "configure")],
    faults: [
      {
        when: "vCPU of an HLOS VM",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          w.root.ok(Hypercall.vcpu_configure, a[1] as CapId, 1n << 63n);
        },
        alone: true,
      },
    ],
  },
  {
    call: "watchdog_bind_virq",
    good: (w) => [watchdog(w), vic(w), 40, 1],
    before: [
      { when: "unknown flag", error: E.ARGUMENT_INVALID, apply: set(3, 2) },
      { when: "unknown flag, high", error: E.ARGUMENT_INVALID, apply: set(3, 1n << 32n) },
    ],
    lookups: [lookup(0, "watchdog", WatchdogRight.BIND_VIRQ), lookup(1, "vic", VicRight.BIND_SOURCE)],
    faults: [
      { when: "number is no interrupt", error: E.ARGUMENT_INVALID, apply: set(2, 2000), alone: true },
      {
        when: "bound already",
        error: E.VIRQ_BOUND,
        apply: (a, w) => {
          w.root.ok(Hypercall.watchdog_bind_virq, ...a);
          a[2] = 41;
        },
        alone: true,
      },
      {
        when: "number taken by the bark",
        error: E.BUSY,
        apply: (a, w) => {
          w.root.ok(Hypercall.watchdog_bind_virq, ...a.slice(0, 3), 0);
        },
        alone: true,
      },
    ],
  },
  {
    call: "watchdog_unbind_virq",
    good: (w) => [watchdog(w), 1],
    before: [
      { when: "unknown flag", error: E.ARGUMENT_INVALID, apply: set(1, 2) },
      { when: "unknown flag, high", error: E.ARGUMENT_INVALID, apply: set(1, 1n << 32n) },
    ],
    lookups: [lookup(0, "watchdog", WatchdogRight.BIND_VIRQ)],
  },
  {
    call: "watchdog_manage",
    good: (w) => [watchdog(w), 0],
    lookups: [lookup(0, "watchdog", 0)],
    faults: [
      { when: "unknown operation", error: E.ARGUMENT_INVALID, apply: set(1, 3), alone: true },
      { when: "unfreeze what is not frozen", error: E.BUSY, apply: set(1, 2), alone: true },
      {
        when: "frozen 255 times",
        error: E.BUSY,
        apply: (a, w) => {
          for (let i = 0; i < 255; i++) w.root.ok(Hypercall.watchdog_manage, a[0] as CapId, i & 1);
        },
        alone: true,
      },
    ],
  },
];

function hwirq(world: World): CapId {
  const cap = Object.values(machineOf(world).env.hwirqs)[0];
  if (cap === undefined) throw new Error("the board has no hardware interrupts");
  return BigInt(cap);
}

export const vcpuSpecs: readonly CallSpec[] = specs.map((spec) => ({ ...spec, world: createMachineWorld }));
