/** Effects of the vCPU, scheduler, interrupt controller, VPM and watchdog calls, on a booted hypervisor. */

import { GunyahError as E, Hypercall, ObjectState, VcpuRunState, WatchdogManageOp } from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { expect } from "vitest";
import type { VpmGroup } from "../src/psci/vpm-group.ts";
import { Block } from "../src/vcpu/block.ts";
import { ThreadState, type Vcpu } from "../src/vcpu/vcpu.ts";
import type { VicObject } from "../src/vgic/vic-object.ts";
import type { Watchdog } from "../src/watchdog/watchdog.ts";
import { type Effects, pick } from "./effects.ts";
import { create, createAddrspace, objectOf, type World } from "./fixture.ts";
import { enableSpi } from "./machine.ts";
import { machineOf } from "./machine-world.ts";

function vicCap(w: World, activate = true): CapId {
  const cap = create(w, "vic");
  w.root.ok(Hypercall.vic_configure, cap, 2, 64, 0, 0);
  if (activate) w.root.ok(Hypercall.object_activate, cap);
  return cap;
}
function vpm(w: World): CapId {
  const cap = create(w, "vpm_group");
  w.root.ok(Hypercall.object_activate, cap);
  return cap;
}
function watchdog(w: World): CapId {
  const cap = create(w, "watchdog");
  w.root.ok(Hypercall.object_activate, cap);
  return cap;
}
let vmid = 100;
/** A vCPU with its spaces, INIT. */
function thread(w: World): CapId {
  const cap = create(w, "thread");
  w.root.ok(Hypercall.cspace_attach_thread, w.caps.cspace, cap);
  w.root.ok(Hypercall.addrspace_attach_thread, createAddrspace(w, vmid++), cap);
  return cap;
}
function activeThread(w: World, configure: (cap: CapId) => void = () => {}): CapId {
  const cap = thread(w);
  configure(cap);
  w.root.ok(Hypercall.object_activate, cap);
  return cap;
}
const vcpuOf = (w: World, cap: CapId) => objectOf<Vcpu>(w, cap);
const rootVic = (w: World) => BigInt(machineOf(w).env.vic);
const proxy = (w: World) => activeThread(w, (cap) => w.root.ok(Hypercall.vcpu_configure, cap, 1 << 9));

export const vcpuEffects: Effects = {
  partition_create_vpm_group: {
    "an INIT object": (w) => {
      expect(pick(objectOf(w, create(w, "vpm_group")), "type", "state")).toEqual(["vpm_group", ObjectState.INIT]);
    },
  },
  vcpu_configure: {
    "scheduled by vcpu_run, HLOS": (w) => {
      const cap = activeThread(w, (c) => w.root.ok(Hypercall.vcpu_configure, c, (1n << 63n) | (1n << 9n)));
      expect(pick(vcpuOf(w, cap), "isHlos", "isProxyScheduled", "options")).toEqual([true, true, 1 << 9]);
      expect(vcpuOf(w, cap).blocks & Block.VCPU_RUN).toBe(Block.VCPU_RUN);
      expect(vcpuOf(w, activeThread(w)).blocks & Block.VCPU_RUN).toBe(0);
    },
  },
  vcpu_poweron: {
    "entry and context, unless the flags keep what was written": (w) => {
      const start = (flags: number) => {
        const cap = proxy(w);
        w.root.ok(Hypercall.vcpu_register_write, cap, 1, 0, 0x4000);
        w.root.ok(Hypercall.vcpu_register_write, cap, 0, 0, 7);
        w.root.ok(Hypercall.vcpu_poweron, cap, 0x1000, 0x55, flags);
        const { context, blocks } = vcpuOf(w, cap);
        expect(blocks & Block.VCPU_OFF).toBe(0);
        return [context.pc, context.x[0]];
      };
      expect([0, 1, 2, 3].map(start)).toEqual([
        [0x1000n, 0x55n],
        [0x4000n, 0x55n],
        [0x1000n, 7n],
        [0x4000n, 7n],
      ]);
    },
  },
  vcpu_poweroff: {
    "of the caller alone, and only with the right word about being the last": (w) => {
      const m = machineOf(w);
      const other = proxy(w);
      w.root.ok(Hypercall.vcpu_poweron, other, 0x1000, 0, 0);
      expect(w.root.call(Hypercall.vcpu_poweroff, other, 0)).toBe(E.ARGUMENT_INVALID);
      expect(vcpuOf(w, other).blocks & Block.VCPU_OFF).toBe(0);
      const BASE = 0x8100_0000;
      const vm = m.createVm({ vmid: 60, base: BASE, inRootCspace: true });
      const answers: bigint[] = [];
      m.program(BASE, {
        name: "guest",
        start(vcpu) {
          const x = new BigUint64Array(18);
          x[0] = 0xc600_8039n;
          x[1] = vm.vcpus[0]!;
          x[2] = 0n;
          vcpu.hvc(x);
          answers.push(x[0]!);
          x[0] = 0xc600_8039n;
          x[2] = 1n;
          vcpu.hvc(x);
          answers.push(x[0]!);
        },
      });
      m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
      m.hypervisor.schedule(1000);
      // The only one of its VM.
      expect(answers).toEqual([BigInt(E.DENIED), BigInt(E.OK)]);
      expect(vcpuOf(w, vm.vcpus[0]!).blocks & Block.VCPU_OFF).toBe(Block.VCPU_OFF);
    },
  },
  vcpu_kill: {
    "it never runs its program again, and cannot be started": (w) => {
      const cap = proxy(w);
      w.root.ok(Hypercall.vcpu_poweron, cap, 0x1000, 0, 0);
      w.root.ok(Hypercall.vcpu_kill, cap);
      expect(vcpuOf(w, cap).threadState).toBe(ThreadState.KILLED);
      w.root.ok(Hypercall.vcpu_run, cap, 0, 0, 0);
      expect([...w.root.r.x.subarray(1, 3)]).toEqual([BigInt(VcpuRunState.POWERED_OFF), 1n]);
      expect(vcpuOf(w, cap).threadState).toBe(ThreadState.EXITED);
      expect(w.root.call(Hypercall.vcpu_poweron, cap, 0x1000, 0, 0)).toBe(E.FAILURE);
    },
  },
  vcpu_set_affinity: {
    "the CPU, or none, which blocks it": (w) => {
      const cap = activeThread(w);
      w.root.ok(Hypercall.vcpu_set_affinity, cap, 1, -1);
      expect(vcpuOf(w, cap).affinity).toBe(1);
      w.root.ok(Hypercall.vcpu_set_affinity, cap, -1, -1);
      expect(vcpuOf(w, cap).blocks & Block.AFFINITY).toBe(Block.AFFINITY);
      w.root.ok(Hypercall.vcpu_set_affinity, cap, 0, -1);
      expect(vcpuOf(w, cap).blocks & Block.AFFINITY).toBe(0);
      expect(vcpuOf(w, cap).affinity).toBe(0);
    },
  },
  vcpu_set_priority: {
    "the priority": (w) => {
      const cap = thread(w);
      w.root.ok(Hypercall.vcpu_set_priority, cap, 10);
      expect(vcpuOf(w, cap).priority).toBe(10);
    },
  },
  vcpu_set_timeslice: {
    "the slice, ns": (w) => {
      const cap = thread(w);
      w.root.ok(Hypercall.vcpu_set_timeslice, cap, 7_000_000);
      expect(vcpuOf(w, cap).timesliceNs).toBe(7_000_000);
    },
  },
  vcpu_bind_virq: {
    "type 1: power-on wakes the proxy by that interrupt; only vcpu_run runs it": (w) => {
      const m = machineOf(w);
      const cap = activeThread(w);
      w.root.ok(Hypercall.vcpu_bind_virq, cap, rootVic(w), 50, 1);
      m.enableRootSpi(50);
      expect(vcpuOf(w, cap).blocks & Block.VCPU_RUN).toBe(Block.VCPU_RUN);
      w.root.ok(Hypercall.vcpu_poweron, cap, 0x1000, 0, 0);
      m.root.vcpu.wfi();
      expect(m.rootInterrupts).toEqual([50]);
    },
    "type 0: the halt interrupt": (w) => {
      const m = machineOf(w);
      const cap = activeThread(w);
      w.root.ok(Hypercall.vcpu_bind_virq, cap, rootVic(w), 51, 0);
      m.enableRootSpi(51);
      expect(vcpuOf(w, cap).blocks & Block.VCPU_RUN).toBe(0);
      expect([vcpuOf(w, cap).haltVirq.isBound, vcpuOf(w, cap).wakeupVirq.isBound]).toEqual([true, false]);
    },
  },
  vcpu_unbind_virq: {
    "of that type alone": (w) => {
      const cap = activeThread(w);
      w.root.ok(Hypercall.vcpu_bind_virq, cap, rootVic(w), 50, 1);
      w.root.ok(Hypercall.vcpu_bind_virq, cap, rootVic(w), 51, 0);
      w.root.ok(Hypercall.vcpu_unbind_virq, cap, 0);
      expect([vcpuOf(w, cap).haltVirq.isBound, vcpuOf(w, cap).wakeupVirq.isBound]).toEqual([false, true]);
      w.root.ok(Hypercall.vcpu_unbind_virq, cap, 1);
      expect(vcpuOf(w, cap).wakeupVirq.isBound).toBe(false);
    },
  },
  vcpu_register_write: {
    "X, PC and both stack pointers, 64 bits": (w) => {
      const cap = proxy(w);
      const big = 0xffff_8000_0000_1230n;
      w.root.ok(Hypercall.vcpu_register_write, cap, 0, 30, 1n << 63n);
      w.root.ok(Hypercall.vcpu_register_write, cap, 1, 0, big);
      w.root.ok(Hypercall.vcpu_register_write, cap, 2, 0, big + 0x10n);
      w.root.ok(Hypercall.vcpu_register_write, cap, 2, 1, big + 0x20n);
      const { context } = vcpuOf(w, cap);
      expect(context).toMatchObject({ pc: big, spEl0: big + 0x10n, spEl1: big + 0x20n });
      expect(context.x[30]).toBe(1n << 63n);
    },
  },
  vcpu_run: {
    "reports, and waits for the next call": (w) => {
      const cap = proxy(w);
      w.root.ok(Hypercall.vcpu_run, cap, 0, 0, 0);
      expect([...w.root.r.x.subarray(1, 5)]).toEqual([BigInt(VcpuRunState.POWERED_OFF), 0n, 0n, 0n]);
      expect(vcpuOf(w, cap).blocks & Block.VCPU_RUN).toBe(Block.VCPU_RUN);
    },
  },
  vcpu_run_check: {
    "the state, without running it": (w) => {
      const cap = proxy(w);
      const { blocks } = vcpuOf(w, cap);
      w.root.ok(Hypercall.vcpu_run_check, cap);
      expect([...w.root.r.x.subarray(1, 5)]).toEqual([BigInt(VcpuRunState.POWERED_OFF), 0n, 0n, 0n]);
      expect(vcpuOf(w, cap).blocks).toBe(blocks);
    },
  },
  scheduler_yield: {
    "an equal runs, a lower one only when it is named": (w) => {
      const m = machineOf(w);
      const BASE = 0x8100_0000;
      const vm = m.createVm({ vmid: 60, base: BASE, priority: 0 });
      let starts = 0;
      m.program(BASE, {
        name: "guest",
        start() {
          starts++;
        },
      });
      m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
      w.root.ok(Hypercall.scheduler_yield, 0, 0);
      expect(starts).toBe(0);
      w.root.ok(Hypercall.scheduler_yield, 1, vm.vcpus[0]!);
      expect(starts).toBe(1);
    },
  },
  vic_configure: {
    "vCPUs and shared interrupts": (w) => {
      const cap = create(w, "vic");
      w.root.ok(Hypercall.vic_configure, cap, 3, 32, 0, 0);
      w.root.ok(Hypercall.object_activate, cap);
      expect(objectOf<VicObject>(w, cap).maxVcpus).toBe(3);
      const bind = (virq: number) => {
        const bell = create(w, "doorbell");
        w.root.ok(Hypercall.object_activate, bell);
        return w.root.call(Hypercall.doorbell_bind_virq, bell, cap, virq, 0);
      };
      expect([bind(63), bind(64)]).toEqual([E.OK, E.ARGUMENT_INVALID]);
    },
  },
  vic_attach_vcpu: {
    "the controller and the index of the vCPU; one for each index": (w) => {
      const cap = vicCap(w);
      const [one, two] = [thread(w), thread(w)];
      for (const vcpu of [one, two]) w.root.ok(Hypercall.vic_attach_vcpu, cap, vcpu, 1);
      expect([vcpuOf(w, one).vic === objectOf(w, cap), vcpuOf(w, one).vicIndex]).toEqual([true, 1]);
      expect(objectOf(w, cap).references).toBe(3);
      w.root.ok(Hypercall.object_activate, one);
      expect(w.root.call(Hypercall.object_activate, two)).toBe(E.BUSY);
    },
  },
  vgic_set_mpidr_mapping: {
    "affinities by index": (w) => {
      const cap = vicCap(w, false);
      w.root.ok(Hypercall.vgic_set_mpidr_mapping, cap, 0x1_0000_0301n, 0, 1, 16, 3, 1);
      const { mpidrMapping } = objectOf<VicObject>(w, cap);
      expect(mpidrMapping).toEqual({ shifts: [0, 1, 16, 3], masks: [1, 3, 0, 1], multiThread: true });
      // Bit 0 is Aff0, bits 2:1 Aff1, bit 3 Aff3.
      expect([1, 2, 5, 8].map((i) => objectOf<VicObject>(w, cap).affinity(i))).toEqual([1, 0x100, 0x201, 0x100_0000]);
    },
  },
  hwirq_bind_virq: {
    "the device's line is that interrupt of the VM": (w) => {
      const m = machineOf(w);
      w.root.ok(Hypercall.hwirq_bind_virq, BigInt(m.env.hwirqs[99]!), rootVic(w), 52);
      enableSpi(m.root.vcpu, m.env.gic.distributor, 52, true);
      m.onRootInterrupt = () => m.hypervisor.setSpi(99, false);
      m.hypervisor.setSpi(99, true);
      m.root.vcpu.wfi();
      expect(m.rootInterrupts).toEqual([52]);
    },
  },
  hwirq_unbind_virq: {
    "the line reaches nobody": (w) => {
      const m = machineOf(w);
      const irq = BigInt(m.env.hwirqs[99]!);
      w.root.ok(Hypercall.hwirq_bind_virq, irq, rootVic(w), 52);
      enableSpi(m.root.vcpu, m.env.gic.distributor, 52, true);
      w.root.ok(Hypercall.hwirq_unbind_virq, irq);
      m.hypervisor.setSpi(99, true);
      expect(m.root.vcpu.wfi()).toBe(false);
      expect(m.rootInterrupts).toEqual([]);
      expect(w.root.call(Hypercall.hwirq_bind_virq, irq, rootVic(w), 53)).toBe(E.OK);
    },
  },
  vpm_group_configure: {
    "the flag": (w) => {
      const cap = create(w, "vpm_group");
      w.root.ok(Hypercall.vpm_group_configure, cap, 1);
      expect(objectOf<VpmGroup>(w, cap).flags).toBe(1);
    },
  },
  vpm_group_attach_vcpu: {
    "the group and the index of the vCPU; one for each index": (w) => {
      const cap = vpm(w);
      const [one, two] = [thread(w), thread(w)];
      for (const vcpu of [one, two]) w.root.ok(Hypercall.vpm_group_attach_vcpu, cap, vcpu, 1);
      w.root.ok(Hypercall.object_activate, one);
      const { vcpus } = objectOf<VpmGroup>(w, cap);
      expect([vcpus[0] === undefined, vcpus[1] === vcpuOf(w, one)]).toEqual([true, true]);
      expect(w.root.call(Hypercall.object_activate, two)).toBe(E.DENIED);
    },
  },
  vpm_group_bind_virq: {
    "the group's source at that number": (w) => {
      const cap = vpm(w);
      w.root.ok(Hypercall.vpm_group_bind_virq, cap, rootVic(w), 54);
      const m = machineOf(w);
      m.enableRootSpi(54);
      objectOf<VpmGroup>(w, cap).virq.assert();
      m.root.vcpu.wfi();
      expect(m.rootInterrupts).toEqual([54]);
    },
  },
  vpm_group_unbind_virq: {
    "free again": (w) => {
      const cap = vpm(w);
      w.root.ok(Hypercall.vpm_group_bind_virq, cap, rootVic(w), 54);
      w.root.ok(Hypercall.vpm_group_unbind_virq, cap);
      expect(objectOf<VpmGroup>(w, cap).virq.isBound).toBe(false);
    },
  },
  vpm_group_get_state: {
    "none while all are off, running while one is on": (w) => {
      const cap = vpm(w);
      const vcpu = activeThread(w, (c) => {
        w.root.ok(Hypercall.vcpu_configure, c, 1 << 9);
        w.root.ok(Hypercall.vpm_group_attach_vcpu, cap, c, 0);
      });
      expect(w.root.ok(Hypercall.vpm_group_get_state, cap)).toBe(0n);
      w.root.ok(Hypercall.vcpu_poweron, vcpu, 0x1000, 0, 0);
      expect(w.root.ok(Hypercall.vpm_group_get_state, cap)).toBe(1n);
    },
  },
  partition_create_watchdog: {
    "an INIT object": (w) => {
      expect(pick(objectOf(w, create(w, "watchdog")), "type", "state")).toEqual(["watchdog", ObjectState.INIT]);
    },
  },
  watchdog_configure: {
    "the flags": (w) => {
      const cap = create(w, "watchdog");
      w.root.ok(Hypercall.watchdog_configure, cap, 1);
      expect(objectOf<Watchdog>(w, cap).flags).toBe(1);
    },
  },
  watchdog_attach_vcpu: {
    "one watchdog for a vCPU, which keeps it alive": (w) => {
      const first = watchdog(w);
      const second = watchdog(w);
      const vcpu = thread(w);
      const objects = [first, second].map((cap) => objectOf<Watchdog>(w, cap));
      w.root.ok(Hypercall.watchdog_attach_vcpu, first, vcpu);
      w.root.ok(Hypercall.watchdog_attach_vcpu, second, vcpu);
      expect(vcpuOf(w, vcpu).watchdog).toBe(objects[1]);
      expect(objects.map((object) => object.references)).toEqual([1, 2]);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, vcpu);
      expect(objects.map((object) => object.references)).toEqual([1, 1]);
    },
  },
  watchdog_bind_virq: {
    "the bark's and the bite's at their times": (w) => {
      const m = machineOf(w);
      const cap = watchdog(w);
      for (const [spi, bite] of [
        [60, 0],
        [61, 1],
      ] as const) {
        w.root.ok(Hypercall.watchdog_bind_virq, cap, rootVic(w), spi, bite);
        m.enableRootSpi(spi);
      }
      objectOf<Watchdog>(w, cap).setTimes(1, 2);
      objectOf<Watchdog>(w, cap).setEnabled(true);
      m.clock.advance(19_199);
      m.root.call(Hypercall.hypervisor_identify);
      expect(m.rootInterrupts).toEqual([]);
      m.clock.advance(1);
      m.root.call(Hypercall.hypervisor_identify);
      expect(m.rootInterrupts).toEqual([60]);
      m.clock.advance(19_200);
      m.root.call(Hypercall.hypervisor_identify);
      expect(m.rootInterrupts).toEqual([60, 61]);
    },
  },
  watchdog_unbind_virq: {
    "the one of the flag is free again": (w) => {
      const cap = watchdog(w);
      w.root.ok(Hypercall.watchdog_bind_virq, cap, rootVic(w), 60, 0);
      w.root.ok(Hypercall.watchdog_bind_virq, cap, rootVic(w), 61, 1);
      const { bark, bite } = objectOf<Watchdog>(w, cap);
      w.root.ok(Hypercall.watchdog_unbind_virq, cap, 1);
      expect([bark.virq.isBound, bite.virq.isBound]).toEqual([true, false]);
      w.root.ok(Hypercall.watchdog_unbind_virq, cap, 0);
      expect(bark.virq.isBound).toBe(false);
    },
  },
  watchdog_manage: {
    "counts only while nothing freezes it": (w) => {
      const { clock } = machineOf(w);
      const cap = watchdog(w);
      const dog = objectOf<Watchdog>(w, cap);
      dog.setTimes(10, 20);
      dog.setEnabled(true);
      clock.advance(4 * 19_200);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.FREEZE);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.FREEZE);
      clock.advance(100 * 19_200);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.UNFREEZE);
      clock.advance(100 * 19_200);
      expect(dog.sincePing).toBe(4);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.UNFREEZE);
      clock.advance(6 * 19_200 - 1);
      expect(dog.bark.isDue).toBe(false);
      clock.advance(1);
      expect(dog.bark.isDue).toBe(true);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.FREEZE_AND_RESET);
      expect([dog.sincePing, dog.bark.isDue]).toEqual([0, false]);
      clock.advance(100 * 19_200);
      expect(dog.sincePing).toBe(0);
      w.root.ok(Hypercall.watchdog_manage, cap, WatchdogManageOp.UNFREEZE);
      clock.advance(20 * 19_200);
      expect([dog.sincePing, dog.bark.isDue, dog.bite.isDue]).toEqual([20, true, true]);
    },
  },
};
