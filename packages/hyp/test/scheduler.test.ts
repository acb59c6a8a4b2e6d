import { GunyahError, Hypercall } from "@gunyah-ts/abi";
import type { PeScript } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

const BASE = 0x8100_0000;
const spin = (log: string[], name: string): PeScript =>
  function* (cpu) {
    for (;;) {
      if (log.at(-1) !== name) log.push(name);
      yield* cpu.nop(100);
    }
  };

function setUp(priorities: readonly number[], physicalCpus = 1) {
  const m = new Machine({ quantum: 10_000, board: { physicalCpus }, instructionsPerTick: 50 });
  const log: string[] = [];
  const vms = priorities.map((priority, i) => {
    const base = BASE + i * 0x10_0000;
    const vm = m.createVm({ vmid: 10 + i, base, priority, timesliceNs: 100_000 });
    m.fake.program(base, spin(log, String.fromCharCode(97 + i)));
    return { vm, base };
  });
  const start = (i: number) => m.root.ok(Hypercall.vcpu_poweron, vms[i]!.vm.vcpus[0]!, vms[i]!.base, 0, 0);
  return { m, log, vms, start };
}

describe("scheduler", () => {
  it("runs the highest priority alone", () => {
    const { m, log, start } = setUp([10, 20]);
    start(0);
    start(1);
    expect(m.hypervisor.schedule(200_000)).toBe(true);
    expect(log).toEqual(["b"]);
  });

  it("takes equals in turn, a time slice each", () => {
    const { m, log, start } = setUp([10, 10]);
    start(0);
    start(1);
    // 100 us are 96,000 instructions at 19.2 MHz and 50 instructions a tick.
    m.hypervisor.schedule(450_000);
    expect(log.slice(0, 4)).toEqual(["a", "b", "a", "b"]);
    expect(log.length).toBeLessThan(7);
  });

  it("gives each physical CPU its turn, whatever the priorities on the others", () => {
    const { m, log, vms, start } = setUp([10, 50], 2);
    m.root.ok(Hypercall.vcpu_set_affinity, vms[1]!.vm.vcpus[0]!, 1, -1);
    start(0);
    start(1);
    m.hypervisor.schedule(100_000);
    expect(new Set(log)).toEqual(new Set(["a", "b"]));
  });

  it("stops scheduling a vCPU without a valid affinity, and resumes it", () => {
    const { m, log, vms, start } = setUp([10]);
    start(0);
    const vcpu = vms[0]!.vm.vcpus[0]!;
    expect(m.root.call(Hypercall.vcpu_set_affinity, vcpu, 7, -1)).toBe(GunyahError.ARGUMENT_INVALID);
    m.root.ok(Hypercall.vcpu_set_affinity, vcpu, -1, -1);
    expect(m.hypervisor.schedule(1000)).toBe(false);
    m.root.ok(Hypercall.vcpu_set_affinity, vcpu, 0, -1);
    expect(m.hypervisor.schedule(1000)).toBe(true);
    expect(log).toEqual(["a"]);
  });

  it("lets an equal run when a vCPU yields", () => {
    const m = new Machine({ quantum: 10_000, board: { physicalCpus: 1 } });
    const log: string[] = [];
    const script = (name: string): PeScript =>
      function* (cpu) {
        for (;;) {
          log.push(name);
          expect(yield* cpu.call(0xc600_803bn, 0n)).toBe(0n);
        }
      };
    for (const [i, name] of ["a", "b", "c"].entries()) {
      const base = BASE + i * 0x10_0000;
      const vm = m.createVm({ vmid: 10 + i, base });
      m.fake.program(base, script(name));
      m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, base, 0, 0);
    }
    // A call counts as a thousand instructions.
    m.hypervisor.schedule(7_000);
    expect(log.slice(0, 6)).toEqual(["a", "b", "c", "a", "b", "c"]);
  });

  it("returns false when nothing is runnable", () => {
    const { m } = setUp([10]);
    expect(m.hypervisor.schedule(1000)).toBe(false);
  });

  it("gives a PE back when a running VM is torn down at any moment", () => {
    const { m, vms, start } = setUp([10]);
    start(0);
    m.hypervisor.schedule(5000);
    expect(m.fake.pes).toHaveLength(1);
    const { vm } = vms[0]!;
    for (const cap of [...vm.vcpus, vm.vpm, vm.vic, vm.memory, vm.addrspace, vm.cspace]) m.delete(cap);
    expect(m.fake.pes).toHaveLength(0);
    expect(m.hypervisor.schedule(1000)).toBe(false);
    expect(m.hypervisor.inspect.vms().map((v) => v.vmid)).toEqual([255]);
    expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
  });
});
