import { GunyahError, Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import { ICC_SGI1R_EL1, type PeScript } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { BOARD, Machine, type MachineOptions, type TestVm, type VmOptions } from "./machine.ts";

const BASE = 0x8100_0000;
const GICD = BOARD.hostGic.distributor;
const GICR = BOARD.hostGic.redistributors;
const WAKEUP = 50;
const HALT = 51;
const VMMIO = 0x1000_0000;

interface Guest {
  readonly m: Machine;
  readonly vm: TestVm;
  readonly vcpu: bigint;
  /** vcpu_run. @returns [error, state, d0, d1, d2] */
  run(r0?: bigint | number, r1?: bigint | number): [number, number, bigint, bigint, bigint];
  wakeups(): number;
}

function guest(script: PeScript, options: Partial<VmOptions> & { machine?: MachineOptions } = {}): Guest {
  const m = new Machine(options.machine);
  const vm = m.createVm({ vmid: 40, base: BASE, psci: true, ...options });
  const vcpu = vm.vcpus[0]!;
  m.root.ok(Hypercall.vcpu_bind_virq, vcpu, BigInt(m.env.vic), WAKEUP, 1);
  m.root.ok(Hypercall.vcpu_bind_virq, vcpu, BigInt(m.env.vic), HALT, 0);
  m.enableRootSpi(WAKEUP);
  m.enableRootSpi(HALT);
  m.root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, VMMIO, 0x10000, 0);
  m.fake.program(BASE, script);
  return {
    m,
    vm,
    vcpu,
    run(r0 = 0, r1 = 0) {
      const error = m.root.call(Hypercall.vcpu_run, vcpu, r0, r1, 0);
      const { x } = m.root;
      return [error, Number(x[1]), x[2]!, x[3]!, x[4]!];
    },
    wakeups: () => m.rootInterrupts.filter((i) => i === WAKEUP).length,
  };
}

const powerOn = (g: Guest, context = 0): void => {
  g.m.root.ok(Hypercall.vcpu_poweron, g.vcpu, BASE, context, 0);
};

function* enableGuestGic(cpu: Parameters<PeScript>[0]): Generator<never, void, undefined> {
  yield* cpu.store(GICD, 4, 0x13n) as Generator<never, void, undefined>;
  yield* cpu.store(GICR + 0x14, 4, 0n) as Generator<never, void, undefined>;
  yield* cpu.store(GICR + 0x1_0080, 4, 0xffff_ffffn) as Generator<never, void, undefined>;
  yield* cpu.store(GICR + 0x1_0100, 4, 0x0800_ffffn) as Generator<never, void, undefined>;
  cpu.setPriorityMask(0xf0);
  cpu.setGroup1Enabled(true);
}

describe("vcpu_run", () => {
  it("reports POWERED_OFF before power-on and asserts the wake-up interrupt when it comes", () => {
    const g = guest(function* (cpu) {
      yield* cpu.wfi();
    });
    expect(g.run()).toEqual([0, VcpuRunState.POWERED_OFF, 0n, 0n, 0n]);
    powerOn(g);
    expect(g.wakeups()).toBe(1);
    expect(g.run()).toEqual([0, VcpuRunState.EXPECTS_WAKEUP, 0n, 1n, 0n]);
  });

  it("gives X0 = context and the entry point", () => {
    let seen = 0n;
    const g = guest(function* (cpu) {
      seen = cpu.x[0]!;
      yield* cpu.wfi();
    });
    powerOn(g, 0x1234);
    g.run();
    expect(seen).toBe(0x1234n);
  });

  it("ends a quantum with READY", () => {
    const g = guest(
      function* (cpu) {
        for (;;) yield* cpu.nop(1000);
      },
      { machine: { quantum: 10_000 } },
    );
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.READY);
    expect(g.run()[1]).toBe(VcpuRunState.READY);
    expect(g.m.hypervisor.inspect.vms().find((v) => v.vmid === 40)!.vcpus[0]!.retired).toBeGreaterThanOrEqual(20_000);
  });

  it.each([1, 2, 4, 8] as const)("reports a vmmio read of %i bytes and completes it with the proxy's value", (size) => {
    let value = 0n;
    const g = guest(function* (cpu) {
      value = yield* cpu.load(VMMIO + 0x100, size);
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()).toEqual([0, VcpuRunState.ADDRSPACE_VMMIO_READ, BigInt(VMMIO + 0x100), BigInt(size), 0n]);
    expect(g.run(0x1122_3344_5566_7788n)[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(value).toBe(BigInt.asUintN(8 * size, 0x1122_3344_5566_7788n));
  });

  it("reports a vmmio write with its value and goes on after it", () => {
    let after = false;
    const g = guest(function* (cpu) {
      yield* cpu.store(VMMIO + 8, 4, 0xdead_beefn);
      after = true;
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()).toEqual([0, VcpuRunState.ADDRSPACE_VMMIO_WRITE, BigInt(VMMIO + 8), 4n, 0xdead_beefn]);
    expect(after).toBe(false);
    g.run();
    expect(after).toBe(true);
  });

  it("drops what it asked for when it is killed: no resume data are looked at", () => {
    const g = guest(function* (cpu) {
      yield* cpu.load(VMMIO, 4);
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.ADDRSPACE_VMMIO_READ);
    g.m.root.ok(Hypercall.vcpu_kill, g.vcpu);
    expect(g.run(0, 3).slice(0, 3)).toEqual([0, VcpuRunState.POWERED_OFF, 1n]);
  });

  it("tries an access again with RETRY, and refuses an unknown action", () => {
    const g = guest(function* (cpu) {
      yield* cpu.load(VMMIO, 4);
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.ADDRSPACE_VMMIO_READ);
    expect(g.run(0, 3)[0]).toBe(GunyahError.ARGUMENT_INVALID);
    expect(g.run(0, 1)[1]).toBe(VcpuRunState.ADDRSPACE_VMMIO_READ);
  });

  it("injects an external abort with FAULT", () => {
    let esr = 0n;
    let far = 0n;
    let elr = 0n;
    const g = guest(function* (cpu) {
      yield* cpu.msr("VBAR_EL1", BigInt(BASE + 0x8000));
      yield* cpu.load(VMMIO + 4, 4);
      throw new Error("the load returned");
    });
    g.m.fake.program(BASE + 0x8200, function* (cpu) {
      esr = cpu.mrs("ESR_EL1");
      far = cpu.mrs("FAR_EL1");
      elr = cpu.mrs("ELR_EL1");
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.ADDRSPACE_VMMIO_READ);
    expect(g.run(0, 2)[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(esr >> 26n).toBe(0x25n);
    expect(esr & 0x3fn).toBe(0x10n);
    expect(far).toBe(BigInt(VMMIO + 4));
    expect(elr).toBe(BigInt(BASE + 4));
  });

  it("faults an access that no syndrome describes, or that is in no range", () => {
    const esrs: bigint[] = [];
    const g = guest(function* (cpu) {
      yield* cpu.msr("VBAR_EL1", BigInt(BASE + 0x8000));
      yield* cpu.accessWithoutSyndrome(VMMIO, false);
    });
    g.m.fake.program(BASE + 0x8200, function* (cpu) {
      esrs.push(cpu.mrs("ESR_EL1"));
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(esrs).toHaveLength(1);
  });

  it("reports a fault in a demand-paged range and retries the access", () => {
    let value = 1n;
    const g = guest(function* (cpu) {
      value = yield* cpu.load(BASE + 0x20_0000, 8);
      yield* cpu.wfi();
    });
    g.m.root.ok(Hypercall.addrspace_configure_vmmio, g.vm.addrspace, BASE + 0x20_0000, 0x1000, 2);
    powerOn(g);
    expect(g.run()).toEqual([0, VcpuRunState.ADDRSPACE_PAGE_FAULT, BigInt(BASE + 0x20_0000), 0n, 0n]);
    expect(g.run(0, 1)[1]).toBe(VcpuRunState.ADDRSPACE_PAGE_FAULT);
    expect(value).toBe(1n);
  });

  it("wakes from WFI by a doorbell, and says so to the proxy once", () => {
    const taken: number[] = [];
    const g = guest(function* (cpu) {
      yield* enableGuestGic(cpu);
      yield* cpu.store(GICD + 0x84, 4, 0xffff_ffffn);
      yield* cpu.store(GICD + 0xc08, 4, 0xaaaa_aaaan);
      yield* cpu.store(GICD + 0x104, 4, 1n << 8n);
      yield* cpu.wfi();
      const intid = cpu.acknowledge();
      taken.push(intid);
      cpu.endOfInterrupt(intid);
      yield* cpu.wfi();
    });
    const bell = g.m.createDoorbell();
    g.m.root.ok(Hypercall.doorbell_bind_virq, bell, g.vm.vic, 40);
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(g.wakeups()).toBe(1);
    g.m.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(g.wakeups()).toBe(2);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(taken).toEqual([40]);
    g.m.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(g.wakeups()).toBe(3);
  });

  it("wakes a blocked vCPU by its virtual timer", () => {
    let at = 0n;
    let intid = 0;
    const g = guest(function* (cpu) {
      yield* enableGuestGic(cpu);
      yield* cpu.msr("CNTV_CVAL_EL0", 50_000n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.wfi();
      intid = cpu.acknowledge();
      at = BigInt(g.m.clock.now());
      yield* cpu.msr("CNTV_CTL_EL0", 0n);
      cpu.endOfInterrupt(intid);
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(g.m.root.vcpu.wfi()).toBe(true);
    expect(g.wakeups()).toBe(2);
    expect(g.m.clock.now()).toBe(50_000);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(intid).toBe(27);
    expect(at).toBeGreaterThanOrEqual(50_000n);
    expect(g.m.root.vcpu.wfi()).toBe(false);
  });

  for (const [timer, ppi] of [
    ["CNTV", 27],
    ["CNTP", 30],
  ] as const) {
    const arm = function* (cpu: Parameters<PeScript>[0], at: bigint, control: bigint) {
      yield* cpu.msr(`${timer}_CVAL_EL0`, at);
      yield* cpu.msr(`${timer}_CTL_EL0`, control);
    };
    /** Enables the GIC and both timers' PPIs, arms, waits; `seen` gets what interrupts it. */
    const waiter = (at: bigint, control: bigint) => {
      const seen: number[] = [];
      const g = guest(function* (cpu) {
        yield* cpu.msr("VBAR_EL1", BigInt(BASE + 0x8000));
        yield* enableGuestGic(cpu);
        yield* cpu.store(GICR + 0x1_0100, 4, (1n << 27n) | (1n << 30n));
        yield* arm(cpu, at, control);
        cpu.masked = false;
        for (;;) yield* cpu.wfi();
      });
      g.m.fake.program(BASE + 0x8280, function* (cpu) {
        const intid = cpu.acknowledge();
        seen.push(intid);
        yield* cpu.msr(`${timer}_CTL_EL0`, 0n);
        cpu.endOfInterrupt(intid);
        yield* cpu.eret();
      });
      powerOn(g);
      return { g, seen };
    };

    it(`${timer} wakes a vCPU that is not on its PE by INTID ${ppi}, once`, () => {
      const { g, seen } = waiter(50_000n, 1n);
      expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
      const before = g.wakeups();
      // The root VM takes its interrupts with its next call.
      const advance = (ticks: number) => {
        g.m.clock.advance(ticks);
        g.m.root.smccc(0x8000_0000);
      };
      advance(49_000 - g.m.clock.now());
      expect(g.wakeups()).toBe(before);
      advance(2_000);
      expect(g.wakeups()).toBe(before + 1);
      expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
      expect(seen).toEqual([ppi]);
    });

    it(`${timer} with a compare value in the past interrupts at once`, () => {
      const { g, seen } = waiter(0n, 1n);
      g.run();
      expect(seen).toEqual([ppi]);
    });

    it(`${timer} that is masked, off, or as far as the counter goes, does not interrupt`, () => {
      for (const [at, control] of [
        [10n, 3n],
        [10n, 0n],
        [0xffff_ffff_ffff_ffffn, 1n],
      ] as const) {
        const { g, seen } = waiter(at, control);
        expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
        g.m.clock.advance(100_000);
        expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
        expect(seen).toEqual([]);
      }
    });
  }

  it("delivers both timers that are due at one time to a vCPU that sleeps", () => {
    const seen: number[] = [];
    const g = guest(function* (cpu) {
      yield* cpu.msr("VBAR_EL1", BigInt(BASE + 0x8000));
      yield* enableGuestGic(cpu);
      // The virtual timer's interrupt is not enabled: it must not hide the other.
      yield* cpu.store(GICR + 0x1_0180, 4, 0xffff_ffffn);
      yield* cpu.store(GICR + 0x1_0100, 4, 1n << 30n);
      for (const timer of ["CNTV", "CNTP"]) {
        yield* cpu.msr(`${timer}_CVAL_EL0`, 50_000n);
        yield* cpu.msr(`${timer}_CTL_EL0`, 1n);
      }
      cpu.masked = false;
      for (;;) yield* cpu.wfi();
    });
    g.m.fake.program(BASE + 0x8280, function* (cpu) {
      const intid = cpu.acknowledge();
      seen.push(intid);
      yield* cpu.msr("CNTP_CTL_EL0", 0n);
      cpu.endOfInterrupt(intid);
      yield* cpu.eret();
    });
    powerOn(g);
    g.run();
    g.m.clock.advance(60_000);
    g.run();
    expect(seen).toEqual([30]);
  });

  it("fires the timer of a running vCPU, each tick once", () => {
    let ticks = 0;
    const g = guest(
      function* (cpu) {
        yield* cpu.msr("VBAR_EL1", BigInt(BASE + 0x8000));
        yield* enableGuestGic(cpu);
        yield* cpu.msr("CNTV_CVAL_EL0", 1000n);
        yield* cpu.msr("CNTV_CTL_EL0", 1n);
        cpu.masked = false;
        for (;;) yield* cpu.nop(10);
      },
      { machine: { quantum: 10_000 } },
    );
    g.m.fake.program(BASE + 0x8280, function* (cpu) {
      const intid = cpu.acknowledge();
      expect(intid).toBe(27);
      ticks++;
      yield* cpu.msr("CNTV_CVAL_EL0", BigInt(1000 * (ticks + 1)));
      cpu.endOfInterrupt(intid);
      yield* cpu.eret();
    });
    powerOn(g);
    // Exits count too, so one quantum is not 10,000 instructions.
    while (g.m.clock.now() < 10_000) expect(g.run()[1]).toBe(VcpuRunState.READY);
    const due = Math.floor(g.m.clock.now() / 1000);
    expect(ticks).toBeGreaterThanOrEqual(due - 2);
    expect(ticks).toBeLessThanOrEqual(due);
  });

  it("sends SGIs between vCPUs that PSCI started", () => {
    const got: number[] = [];
    const g = guest(
      function* (cpu) {
        yield* enableGuestGic(cpu);
        expect(yield* cpu.call(0xc400_0003n, 1n, BigInt(BASE + 0x4000), 99n)).toBe(0n);
        expect(yield* cpu.call(0xc400_0003n, 1n, BigInt(BASE + 0x4000), 99n)).toBe(0xffff_ffff_ffff_fffcn);
        expect(yield* cpu.call(0xc400_0003n, 2n, BigInt(BASE), 0n)).toBe(0xffff_ffff_ffff_fffan);
        expect(yield* cpu.call(0xc400_0003n, 1n << 40n, BigInt(BASE), 0n)).not.toBe(0n);
        yield* cpu.store(GICD + 0x84, 4, 0xffff_ffffn);
        yield* cpu.store(GICD + 0xc08, 4, 0xaaaa_aaaan);
        yield* cpu.store(GICD + 0x104, 4, 1n << 8n);
        yield* cpu.wfi();
        cpu.endOfInterrupt(cpu.acknowledge());
        yield* cpu.trappedMsr(ICC_SGI1R_EL1, (5n << 24n) | 0b10n);
        yield* cpu.wfi();
      },
      { vcpus: 2 },
    );
    const second = g.vm.vcpus[1]!;
    g.m.root.ok(Hypercall.vcpu_bind_virq, second, BigInt(g.m.env.vic), 52, 1);
    g.m.enableRootSpi(52);
    const bell = g.m.createDoorbell();
    g.m.root.ok(Hypercall.doorbell_bind_virq, bell, g.vm.vic, 40);
    g.m.fake.program(BASE + 0x4000, function* (cpu) {
      got.push(Number(cpu.x[0]));
      yield* cpu.store(GICR + 0x2_0000 + 0x1_0080, 4, 0xffff_ffffn);
      yield* cpu.store(GICR + 0x2_0000 + 0x1_0100, 4, 0xffffn);
      cpu.setPriorityMask(0xf0);
      cpu.setGroup1Enabled(true);
      yield* cpu.wfi();
      got.push(cpu.acknowledge());
      cpu.endOfInterrupt(got.at(-1)!);
      expect(yield* cpu.call(0x8400_0002n)).toBe(0x8400_0002n);
      throw new Error("CPU_OFF returned");
    });
    powerOn(g);
    // The wake-up interrupt of the second vCPU ends the first one's quantum.
    expect(g.run()[1]).toBe(VcpuRunState.READY);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(g.m.rootInterrupts).toContain(52);
    const run2 = () => {
      expect(g.m.root.call(Hypercall.vcpu_run, second, 0, 0, 0)).toBe(0);
      return Number(g.m.root.x[1]);
    };
    expect(run2()).toBe(VcpuRunState.EXPECTS_WAKEUP);
    g.m.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(g.run()[1]).toBe(VcpuRunState.READY);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(run2()).toBe(VcpuRunState.POWERED_OFF);
    expect(got).toEqual([99, 5]);
  });

  it("reports CPU_SUSPEND with its power state and restarts at the entry after a power-down", () => {
    const entries: bigint[] = [];
    const g = guest(function* (cpu) {
      yield* enableGuestGic(cpu);
      yield* cpu.store(GICD + 0x84, 4, 0xffff_ffffn);
      yield* cpu.store(GICD + 0x104, 4, 1n << 8n);
      cpu.setGroup1Enabled(false);
      yield* cpu.call(0xc400_0001n, 0x4000_0003n, BigInt(BASE + 0x6000), 0x55n);
      throw new Error("a power-down suspend returned");
    });
    g.m.fake.program(BASE + 0x6000, function* (cpu) {
      entries.push(cpu.x[0]!);
      // Pending still: a suspend now returns at once.
      entries.push(yield* cpu.call(0xc400_0001n, 0x4000_0003n, BigInt(BASE), 0n));
      yield* cpu.wfi();
    });
    const bell = g.m.createDoorbell();
    g.m.root.ok(Hypercall.doorbell_bind_virq, bell, g.vm.vic, 40);
    powerOn(g);
    expect(g.run()).toEqual([0, VcpuRunState.EXPECTS_WAKEUP, 0x4000_0003n, 2n, 0n]);
    expect(g.run()[2]).toBe(0x4000_0003n);
    g.m.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(g.wakeups()).toBe(2);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(entries).toEqual([0x55n, 0n]);
  });

  it("keeps the timer through a power-down state, which its interrupt ends", () => {
    const seen: bigint[] = [];
    const g = guest(function* (cpu) {
      yield* enableGuestGic(cpu);
      yield* cpu.msr("CNTV_CVAL_EL0", 50_000n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.call(0xc400_0001n, 0x4000_0003n, BigInt(BASE + 0x6000), 0x55n);
    });
    g.m.fake.program(BASE + 0x6000, function* (cpu) {
      seen.push(cpu.x[0]!, cpu.mrs("CNTV_CVAL_EL0"), cpu.mrs("CNTV_CTL_EL0"));
      yield* cpu.wfi();
    });
    powerOn(g);
    expect(g.run()[1]).toBe(VcpuRunState.EXPECTS_WAKEUP);
    expect(g.m.root.vcpu.wfi()).toBe(true);
    expect(g.m.clock.now()).toBe(50_000);
    g.run();
    expect(seen).toEqual([0x55n, 50_000n, 5n]);
  });

  it("turns SYSTEM_RESET into a state that stays until the kill, and asserts the halt interrupt", () => {
    const g = guest(function* (cpu) {
      yield* cpu.call(0x8400_0009n);
    });
    powerOn(g);
    const reset = [0, VcpuRunState.PSCI_SYSTEM_RESET, 1n << 63n, 0n, 0n];
    expect(g.run()).toEqual(reset);
    expect(g.m.rootInterrupts).toContain(HALT);
    expect(g.run()).toEqual(reset);
    expect(g.m.root.call(Hypercall.vcpu_run_check, g.vcpu)).toBe(GunyahError.OK);
    expect(g.m.root.x[1]).toBe(BigInt(VcpuRunState.PSCI_SYSTEM_RESET));
    g.m.root.ok(Hypercall.vcpu_kill, g.vcpu);
    expect(g.run()).toEqual([0, VcpuRunState.POWERED_OFF, 1n, 0n, 0n]);
    expect(g.run()).toEqual([0, VcpuRunState.POWERED_OFF, 1n, 0n, 0n]);
    expect(g.m.root.call(Hypercall.vcpu_poweron, g.vcpu, BASE, 0, 0)).toBe(GunyahError.FAILURE);
  });

  it("keeps type and cookie of SYSTEM_RESET2", () => {
    const g = guest(function* (cpu) {
      yield* cpu.call(0xc400_0012n, 0x8000_0001n, 0xabcdn);
    });
    powerOn(g);
    expect(g.run()).toEqual([0, VcpuRunState.PSCI_SYSTEM_RESET, (1n << 62n) | 0x8000_0001n, 0xabcdn, 0n]);
  });

  it("must be run after a kill until it has exited", () => {
    const g = guest(
      function* (cpu) {
        for (;;) yield* cpu.nop(100);
      },
      { machine: { quantum: 1000 } },
    );
    powerOn(g);
    g.run();
    const before = g.wakeups();
    g.m.root.ok(Hypercall.vcpu_kill, g.vcpu);
    expect(g.wakeups()).toBe(before + 1);
    expect(g.m.root.call(Hypercall.vcpu_run_check, g.vcpu)).toBe(GunyahError.BUSY);
    expect(g.run()).toEqual([0, VcpuRunState.POWERED_OFF, 1n, 0n, 0n]);
    expect(g.m.fake.pes).toHaveLength(0);
  });

  it("refuses what is not proxy scheduled or not a vCPU", () => {
    const m = new Machine();
    const vm = m.createVm({ vmid: 9, base: BASE });
    expect(m.root.call(Hypercall.vcpu_run, vm.vcpus[0]!, 0, 0, 0)).toBe(GunyahError.BUSY);
    expect(m.root.call(Hypercall.vcpu_run, vm.vic, 0, 0, 0)).toBe(GunyahError.CSPACE_WRONG_OBJECT_TYPE);
    expect(m.root.call(Hypercall.vcpu_run, 12345, 0, 0, 0)).toBe(GunyahError.ARGUMENT_INVALID);
  });

  it("ends the quantum when the caller has an interrupt to take", () => {
    const g = guest(function* (cpu) {
      yield* cpu.nop(10);
      yield* cpu.call(0xc600_8012n, cpu.x[0]!, 1n);
      for (;;) yield* cpu.nop(100);
    });
    const bell = g.m.createDoorbell();
    g.m.root.ok(Hypercall.doorbell_bind_virq, bell, BigInt(g.m.env.vic), 60);
    g.m.enableRootSpi(60);
    const cap = g.m.give(bell, g.vm);
    g.m.root.ok(Hypercall.vcpu_poweron, g.vcpu, BASE, cap, 0);
    expect(g.run()[1]).toBe(VcpuRunState.READY);
    expect(g.m.rootInterrupts).toContain(60);
    const retired = g.m.hypervisor.inspect.vms().find((v) => v.vmid === 40)!.vcpus[0]!.retired;
    expect(retired).toBeLessThan(1000);
  });
});
