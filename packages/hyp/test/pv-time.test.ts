import { Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import type { PeScript } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { INFO_AREA, Machine, type TestVm, type VmOptions } from "./machine.ts";

const BASE = 0x8100_0000;
const INFO_PA = 0x8200_0000;
const VMMIO = 0x1000_0000;
const PV_TIME_ST = 0xc500_0021n;
/** 19.2 MHz. */
const ns = (ticks: number): bigint => (BigInt(ticks) * 1_000_000_000n) / 19_200_000n;

interface Record {
  readonly revision: number;
  readonly attributes: number;
  readonly stolen: bigint;
}

/** One physical CPU, 50 instructions a tick: what spins retires 10,000 instructions, 200 ticks, in a turn. */
function machine(): Machine {
  return new Machine({ quantum: 10_000, board: { physicalCpus: 1 }, instructionsPerTick: 50 });
}

function vm(m: Machine, i: number, options: Partial<VmOptions> = {}): TestVm {
  return m.createVm({ vmid: 10 + i, base: base(i), infoArea: INFO_PA + i * 0x1000, ...options });
}

const base = (i: number): number => BASE + i * 0x10_0000;

/** The record of a vCPU as bytes in memory. */
function record(m: Machine, i: number, vcpu = 0): Record {
  const at = m.memory.offsetOf(INFO_PA + i * 0x1000 + 64 * vcpu);
  const { data } = m.memory;
  return {
    revision: data.getUint32(at, true),
    attributes: data.getUint32(at + 4, true),
    stolen: data.getBigUint64(at + 8, true),
  };
}

const stolen = (m: Machine, i: number): bigint => record(m, i).stolen;

const spin: PeScript = function* (cpu) {
  for (;;) yield* cpu.nop(100);
};

function start(m: Machine, i: number, vm: TestVm, script: PeScript): void {
  m.fake.program(base(i), script, 10 + i);
  m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, base(i), 0, 0);
}

describe("stolen time", () => {
  it("of two vCPUs on one CPU is what the other's time slices took, to the tick", () => {
    const m = machine();
    const seen: bigint[] = [];
    const a = vm(m, 0, { timesliceNs: 100_000 });
    const b = vm(m, 1, { timesliceNs: 100_000 });
    start(m, 0, a, function* (cpu) {
      const ipa = Number(yield* cpu.call(PV_TIME_ST));
      expect(ipa).toBe(INFO_AREA);
      for (;;) {
        yield* cpu.nop(99);
        const value = yield* cpu.load(ipa + 8, 8);
        if (seen.at(-1) !== value) seen.push(value);
      }
    });
    start(m, 1, b, spin);
    const start0 = m.clock.now();
    for (let turn = 0; turn < 60; turn++) m.hypervisor.scheduler.runOne(10_000);
    const retired = (vmid: number) => m.hypervisor.inspect.vms().find((v) => v.vmid === vmid)!.vcpus[0]!.retired;
    expect(m.clock.now() - start0).toBe(Math.floor((retired(10) + retired(11)) / 50));
    // 96,000 instructions are a slice; a turn of 10,000 counts 1,000 more for its exit: 9 turns, 1,800 ticks.
    expect(seen).toEqual([0n, ns(1800), ns(3600), ns(5400)]);
    expect(stolen(m, 0)).toBe(ns(5400));
    // B waited for A's first slice too, which A's call made 1,000 shorter; A waits now.
    expect(stolen(m, 1)).toBe(ns(1780 + 1800 + 1800));
    expect(stolen(m, 1)).toBe(280_208n);
  });

  it("is not what the vCPU gave up itself: WFI and what it asked the proxy for count from the wake-up", () => {
    const m = machine();
    const g = vm(m, 0, { proxy: true });
    const vcpu = g.vcpus[0]!;
    m.root.ok(Hypercall.addrspace_configure_vmmio, g.addrspace, VMMIO, 0x1000, 0);
    const run = (): number => {
      m.root.ok(Hypercall.vcpu_run, vcpu, 0, 0, 0);
      return Number(m.root.x[1]);
    };
    m.clock.advance(11);
    start(m, 0, g, function* (cpu) {
      for (let i = 0; i < 150; i++) yield* cpu.nop(100);
      yield* cpu.load(VMMIO, 4);
      yield* cpu.wfi();
    });
    // From power-on it could run.
    m.clock.advance(7);
    expect(run()).toBe(VcpuRunState.READY);
    expect(stolen(m, 0)).toBe(ns(7));
    // Its quantum ended: the host let it wait.
    m.clock.advance(500);
    expect(run()).toBe(VcpuRunState.ADDRSPACE_VMMIO_READ);
    expect(stolen(m, 0)).toBe(ns(507));
    // The host's answer is the end of its own wait.
    m.clock.advance(9000);
    expect(run()).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(stolen(m, 0)).toBe(ns(507));
    expect(record(m, 0)).toEqual({ revision: 0, attributes: 0, stolen: ns(507) });
  });

  it("of a vCPU in WFI begins when an interrupt wakes it", () => {
    const m = machine();
    const g = vm(m, 0, { proxy: true });
    const bell = m.createDoorbell();
    m.root.ok(Hypercall.doorbell_bind_virq, bell, g.vic, 40);
    start(m, 0, g, function* (cpu) {
      yield* cpu.store(0x0800_0000, 4, 0x13n);
      yield* cpu.store(0x0800_0000 + 0x84, 4, 0xffff_ffffn);
      yield* cpu.store(0x0800_0000 + 0x104, 4, 0xffff_ffffn);
      cpu.setPriorityMask(0xf0);
      cpu.setGroup1Enabled(true);
      yield* cpu.wfi();
      yield* cpu.nop(1);
      yield* cpu.wfi();
    });
    m.root.ok(Hypercall.vcpu_run, g.vcpus[0]!, 0, 0, 0);
    expect(m.root.x[1]).toBe(BigInt(VcpuRunState.EXPECTS_WAKEUP));
    m.clock.advance(700);
    m.root.ok(Hypercall.doorbell_send, bell, 1);
    m.clock.advance(300);
    m.root.ok(Hypercall.vcpu_run, g.vcpus[0]!, 0, 0, 0);
    expect(stolen(m, 0)).toBe(ns(300));
  });

  it("leaves out a directed yield, and counts who preempts the vCPU that it ran", () => {
    const m = machine();
    const x = vm(m, 0, { inRootCspace: true, priority: 20 });
    const y = vm(m, 1, { priority: 10 });
    const w = vm(m, 2, { proxy: true, inRootCspace: true, priority: 10 });
    const z = vm(m, 3, { priority: 30 });
    const seen: bigint[] = [];
    start(m, 0, x, function* (cpu) {
      // Directed: Y runs a quantum of 10,000 instructions.
      expect(yield* cpu.call(0xc600_803bn, 1n, y.vcpus[0]!, 0n)).toBe(0n);
      seen.push(stolen(m, 0));
      // vcpu_run of W, which powers Z on, which preempts everybody for one turn and goes.
      expect(yield* cpu.call(0xc600_8065n, w.vcpus[0]!, 0n, 0n, 0n)).toBe(0n);
      seen.push(stolen(m, 0));
      for (;;) yield* cpu.nop(100);
    });
    start(m, 1, y, spin);
    m.fake.program(
      base(3),
      function* (cpu) {
        for (let i = 0; i < 50; i++) yield* cpu.nop(100);
        yield* cpu.wfi();
      },
      13,
    );
    start(m, 2, w, function* (cpu) {
      yield* cpu.nop(49);
      yield* cpu.call(0xc600_8038n, z.vcpus[0]!, BigInt(base(3)), 0n, 0n);
      yield* cpu.wfi();
    });
    // What ran inside a call ends the caller's turn.
    for (let turn = 0; turn < 4; turn++) m.hypervisor.scheduler.runOne(10_000);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(0n);
    expect(seen[1]).toBe(ns(100));
    // W could run from the start: it waited for Y's quantum, then for Z.
    expect(stolen(m, 2)).toBe(ns(200 + 100));
  });

  it("is at zero again for a new vCPU, in the record of its redistributor", () => {
    const m = machine();
    const a = vm(m, 0, { vcpus: 2, timesliceNs: 100_000, psci: true });
    start(m, 0, a, function* (cpu) {
      // CPU_ON of the second, which asks for its record.
      yield* cpu.call(0xc400_0003n, 1n, BigInt(base(0) + 0x1000), 0n);
      for (;;) yield* cpu.nop(100);
    });
    let ipa = 0n;
    m.fake.program(base(0) + 0x1000, function* (cpu) {
      ipa = yield* cpu.call(PV_TIME_ST);
      for (;;) yield* cpu.nop(100);
    });
    for (let turn = 0; turn < 30; turn++) m.hypervisor.scheduler.runOne(10_000);
    expect(ipa).toBe(BigInt(INFO_AREA + 64));
    expect(record(m, 0, 1).stolen).toBeGreaterThan(ns(1000));
    m.delete(a.vcpus[1]!);
    const again = m.create(Hypercall.partition_create_thread);
    m.root.ok(Hypercall.vcpu_set_affinity, again, 0, -1);
    m.root.ok(Hypercall.cspace_attach_thread, a.cspace, again);
    m.root.ok(Hypercall.addrspace_attach_thread, a.addrspace, again);
    m.root.ok(Hypercall.vic_attach_vcpu, a.vic, again, 1);
    const writes: number[] = [];
    m.memory.onWrite((pa) => writes.push(pa));
    m.root.ok(Hypercall.object_activate, again);
    expect(record(m, 0, 1)).toEqual({ revision: 0, attributes: 0, stolen: 0n });
    expect(stolen(m, 0)).toBeGreaterThan(ns(1000));
    // Who caches memory hears of the hypervisor's stores.
    for (let turn = 0; turn < 30; turn++) m.hypervisor.scheduler.runOne(10_000);
    expect(writes).toContain(INFO_PA + 64);
  });

  it("has no record without an info area", () => {
    const m = machine();
    const a = m.createVm({ vmid: 10, base: BASE });
    let answer = 0n;
    start(m, 0, a, function* (cpu) {
      answer = yield* cpu.call(PV_TIME_ST);
      yield* cpu.wfi();
    });
    m.hypervisor.scheduler.runOne(10_000);
    expect(answer).toBe(0xffff_ffff_ffff_ffffn);
  });
});
