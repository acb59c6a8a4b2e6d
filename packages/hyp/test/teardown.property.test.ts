/**
 * A VM dies at any moment, its capabilities deleted in any order: nothing stays behind.
 */

import { GunyahError, Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BOARD, Machine } from "./machine.ts";

const BASE = 0x8100_0000;
const VMMIO = 0x1000_0000;

describe("teardown", () => {
  it("leaks no object, page or PE, whenever and in whatever order", () => {
    const m = new Machine({ quantum: 50, trace: false });
    const clean = m.hypervisor.inspect.usage();
    m.fake.program(BASE, function* (cpu) {
      yield* cpu.call(0xc400_0003n, 1n, BigInt(BASE), 0n);
      yield* cpu.msr("CNTV_CVAL_EL0", 1_000_000_000n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      for (;;) {
        yield* cpu.store(VMMIO, 4, 1n);
        yield* cpu.nop(7);
        yield* cpu.load(BOARD.hostGic.distributor, 4);
        yield* cpu.wfi();
      }
    });
    fc.assert(
      fc.property(
        fc.array(fc.nat(1), { maxLength: 12 }),
        fc.boolean(),
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
        (runs, kill, order) => {
          const vm = m.createVm({ vmid: 40, base: BASE, vcpus: 2, proxy: true, psci: true });
          const bell = m.createDoorbell();
          m.root.ok(Hypercall.doorbell_bind_virq, bell, vm.vic, 40);
          m.root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, VMMIO, 0x1000, 0);
          m.root.ok(Hypercall.vcpu_bind_virq, vm.vcpus[0]!, BigInt(m.env.vic), 50, 1);
          m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
          for (const i of runs) {
            expect(m.root.call(Hypercall.vcpu_run, vm.vcpus[i]!, 0, 0, 0)).toBe(GunyahError.OK);
            m.root.ok(Hypercall.doorbell_send, bell, 1);
          }
          if (kill) {
            for (const vcpu of vm.vcpus) {
              m.root.ok(Hypercall.vcpu_kill, vcpu);
              m.root.ok(Hypercall.vcpu_run, vcpu, 0, 0, 0);
              expect(m.root.x[1]).toBe(BigInt(VcpuRunState.POWERED_OFF));
              expect(m.root.x[2]).toBe(1n);
            }
          }
          const caps = [...vm.vcpus, vm.vpm, vm.vic, vm.memory, vm.addrspace, vm.cspace, bell];
          for (const i of order) m.delete(caps[i]!);
          expect(m.hypervisor.inspect.usage()).toEqual(clean);
          expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
          expect(m.fake.pes).toHaveLength(0);
          expect(m.clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
          expect(m.hypervisor.scheduler.vcpus).toHaveLength(1);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("a host that is A64 code", () => {
  it("runs a proxy-scheduled vCPU with its own HVC and takes its interrupts in between", () => {
    const m = new Machine({ quantum: 1000 });
    const host = m.createVm({ vmid: 3, base: BASE });
    const guest = m.createVm({ vmid: 40, base: BASE + 0x10_0000, proxy: true });
    m.root.ok(Hypercall.addrspace_configure_vmmio, guest.addrspace, VMMIO, 0x1000, 0);
    const cap = m.give(guest.vcpus[0]!, host, 0x12);
    m.root.ok(Hypercall.vcpu_poweron, guest.vcpus[0]!, BASE + 0x10_0000, 0, 0);
    const values: bigint[] = [];
    m.fake.program(BASE + 0x10_0000, function* (cpu) {
      values.push(yield* cpu.load(VMMIO + 4, 4));
      for (;;) yield* cpu.nop(50);
    });
    const reports: bigint[][] = [];
    m.fake.program(BASE, function* (cpu) {
      for (const value of [0n, 77n, 0n]) {
        expect(yield* cpu.call(0xc600_8065n, cap, value, 0n, 0n, 0n)).toBe(0n);
        reports.push([...cpu.x.subarray(1, 5)]);
      }
      yield* cpu.wfi();
    });
    m.root.ok(Hypercall.vcpu_poweron, host.vcpus[0]!, BASE, 0, 0);
    m.hypervisor.schedule(20_000);
    expect(reports).toEqual([
      [BigInt(VcpuRunState.ADDRSPACE_VMMIO_READ), BigInt(VMMIO + 4), 4n, 0n],
      [0n, 0n, 0n, 0n],
      [0n, 0n, 0n, 0n],
    ]);
    expect(values).toEqual([77n]);
  });
});
