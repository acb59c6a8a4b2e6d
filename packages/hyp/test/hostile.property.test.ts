/**
 * Guests that do anything: accesses of every size anywhere in the virtual GIC, trapped registers, HVC and SMC with any
 * immediate and registers, on a whole machine whose root VM calls with any registers at the same time. Nothing throws,
 * and afterwards the hypervisor is whole: its memory is consistent and another VM starts, runs and is torn down.
 */

import { GunyahError, gunyahErrorFromRegister, Hypercall } from "@gunyah-ts/abi";
import type { NativeVcpu } from "@gunyah-ts/kernel";
import { fakeCpuBackend, type PeScript, type PeStep, type ScriptCpu } from "@gunyah-ts/kernel/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BOARD, enableGic, Machine, type TestVm } from "./machine.ts";

const NIGHTLY = process.env["GUNYAH_NIGHTLY"] === "1";
const BASE = 0x8100_0000;
const NATIVE_BASE = 0x8120_0000;
const LATER_BASE = 0x8140_0000;
const VMMIO = 0x1000_0000;
const VECTORS = 0x8000;
const { distributor, redistributors } = BOARD.hostGic;
const KNOWN_ERRORS: ReadonlySet<number> = new Set(Object.values(GunyahError));
const FIDS = Object.values(Hypercall).map(({ fid }) => fid);

/** Words that mean something somewhere: indexes, addresses, attributes, and the edges of every width. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 40n }) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 1100n }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(BASE, BASE + 0x1000, NATIVE_BASE, VMMIO, distributor, redistributors).map(BigInt),
  },
  { weight: 1, arbitrary: fc.nat(63).map((bit) => 1n << BigInt(bit)) },
  { weight: 1, arbitrary: fc.nat(63).map((bit) => (1n << 64n) - (1n << BigInt(bit))) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
const size = fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8);
/** Inside, at the edges of and just outside both frames, which the GIC knows word by word. */
const gicAddress = fc.oneof(
  { weight: 3, arbitrary: fc.nat(0xffff).map((at) => distributor + at) },
  { weight: 3, arbitrary: fc.nat(0x4_0010).map((at) => redistributors + at) },
  { weight: 2, arbitrary: fc.nat(0x1fff).map((at) => distributor + (at & ~3)) },
  { weight: 2, arbitrary: fc.nat(0xfff).map((at) => redistributors + 0x1_0000 + (at & ~3)) },
);
const address = fc.oneof(
  { weight: 6, arbitrary: gicAddress },
  { weight: 1, arbitrary: fc.nat(0x1fff).map((at) => VMMIO + at) },
  { weight: 1, arbitrary: fc.constantFrom(0, BASE - 8, BASE + 0x1000, BASE + 0x10_0000, 2 ** 36 - 8) },
);
const fid = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...FIDS) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(0x84, 0xc4, 0x80, 0x85, 0xc5, 0x86, 0xc6), fc.nat(0x60)) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const registers = fc.tuple(fid, fc.array(value, { minLength: 7, maxLength: 7 }));
const sysreg = fc.record({
  op0: fc.integer({ min: 2, max: 3 }),
  op1: fc.nat(7),
  crn: fc.constantFrom(0, 1, 4, 12, 14),
  crm: fc.nat(15),
  op2: fc.nat(7),
});

/** What a guest does next. */
const guestOp = fc.oneof(
  fc.record({ op: fc.constant("load" as const), address, size, rt: fc.nat(31) }),
  fc.record({ op: fc.constant("store" as const), address, size, value, rt: fc.nat(31) }),
  fc.record({ op: fc.constant("pair" as const), address, write: fc.boolean() }),
  fc.record({
    op: fc.constant("call" as const),
    registers,
    smc: fc.boolean(),
    imm: fc.constantFrom(0, 0, 0, 1, 0x6012),
  }),
  fc.record({
    op: fc.constant("native-call" as const),
    registers,
    imm: fc.nat(0x6210 - 0x5ff0).map((n) => 0x5ff0 + n),
  }),
  fc.record({ op: fc.constant("sysreg" as const), sysreg, value, read: fc.boolean(), rt: fc.nat(31) }),
  fc.record({ op: fc.constant("interrupts" as const), intid: fc.nat(1100), mask: fc.nat(255) }),
  fc.record({ op: fc.constant("wait" as const) }),
);
type GuestOp = typeof guestOp extends fc.Arbitrary<infer Op> ? Op : never;

/** What else happens: the root VM calls, an interrupt arrives, time passes, somebody runs. */
const rootOp = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("hypercall" as const),
      fid: fc.constantFrom(...FIDS),
      words: fc.array(
        fc.oneof(
          { weight: 3, arbitrary: fc.nat(19).map((cap) => ({ cap })) },
          { weight: 2, arbitrary: value.map((word) => ({ word })) },
        ),
        { minLength: 7, maxLength: 7 },
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant("run" as const), vcpu: fc.nat(1), resume: fc.tuple(value, value, value) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("gic" as const),
      address: fc.oneof(
        fc.nat(0x1_0000).map((at) => ({ frame: 0, at })),
        fc.nat(0x2_0000).map((at) => ({ frame: 1, at })),
      ),
      size,
      value,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("spi" as const),
      spi: fc.integer({ min: 32, max: 1019 }),
      level: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("time" as const), ticks: fc.nat(100_000) }) },
);
type RootOp = typeof rootOp extends fc.Arbitrary<infer Op> ? Op : never;
type Registers = readonly [number | readonly [number, number], readonly bigint[]];

function words([id, args]: Registers): bigint[] {
  const selector = typeof id === "number" ? id : id[0] * 2 ** 24 + id[1];
  return [BigInt(selector >>> 0), ...args];
}

/** The operations over and over, as A64 code would do them; aborts land in the same program. */
function guestProgram(ops: readonly GuestOp[]): PeScript {
  return function* (cpu) {
    yield* cpu.msr("VBAR_EL1", BigInt(BASE + VECTORS));
    cpu.setPriorityMask(0xf0);
    cpu.setGroup1Enabled(true);
    cpu.masked = false;
    for (let round = 0; round < 3; round++) for (const op of ops) yield* step(cpu, op);
    for (;;) yield* cpu.wfi();
  };
}

/** Skip the instruction that aborted or is undefined. */
const afterAbort: PeScript = function* (cpu) {
  yield* cpu.msr("ELR_EL1", cpu.mrs("ELR_EL1") + 4n);
  yield* cpu.eret();
};
const afterInterrupt: PeScript = function* (cpu) {
  const intid = cpu.acknowledge();
  cpu.endOfInterrupt(intid);
  yield* cpu.eret();
};
/** Where a guest jumped that went nowhere. */
const park: PeScript = function* (cpu) {
  for (;;) yield* cpu.wfi();
};

function* step(cpu: ScriptCpu, op: GuestOp): PeStep<void> {
  switch (op.op) {
    case "load":
      yield* cpu.load(op.address, op.size, op.rt);
      return;
    case "store":
      yield* cpu.store(op.address, op.size, op.value, op.rt);
      return;
    case "pair":
      yield* cpu.accessWithoutSyndrome(op.address, op.write);
      return;
    case "call":
      cpu.x.set(words(op.registers));
      yield* op.smc ? cpu.smc(op.imm) : cpu.hvc(op.imm);
      return;
    case "native-call":
      cpu.x.set(words(op.registers).slice(1));
      yield* cpu.hvc(op.imm);
      return;
    case "sysreg":
      if (op.read) yield* cpu.trappedMrs(op.sysreg, op.rt);
      else yield* cpu.trappedMsr(op.sysreg, op.value, op.rt);
      return;
    case "interrupts":
      cpu.setPriorityMask(op.mask);
      cpu.acknowledge();
      cpu.endOfInterrupt(op.intid);
      cpu.deactivateInterrupt(op.intid);
      return;
    default:
      yield* cpu.nop(5);
  }
}

interface Stage {
  readonly m: Machine;
  readonly vm: TestVm;
  readonly native: TestVm;
  readonly nativeVcpu: () => NativeVcpu | undefined;
  readonly caps: bigint[];
}

function setUp(ops: readonly GuestOp[]): Stage {
  const m = new Machine({
    quantum: 40,
    trace: false,
    backend: (memory, clock) => fakeCpuBackend({ memory, clock, otherwise: park }),
  });
  const vm = m.createVm({ vmid: 9, base: BASE, vcpus: 2, proxy: true, psci: true });
  const native = m.createVm({ vmid: 10, base: NATIVE_BASE, psci: true });
  m.fake.program(BASE, guestProgram(ops));
  m.fake.program(BASE + VECTORS + 0x200, afterAbort);
  m.fake.program(BASE + VECTORS + 0x280, afterInterrupt);
  let nativeVcpu: NativeVcpu | undefined;
  m.program(NATIVE_BASE, {
    name: "native",
    start(vcpu) {
      nativeVcpu = vcpu;
      enableGic(vcpu, distributor, redistributors);
    },
    interrupt(vcpu) {
      vcpu.endOfInterrupt(vcpu.acknowledge());
    },
    stopped() {
      nativeVcpu = undefined;
    },
  });
  m.root.ok(Hypercall.addrspace_configure_vmmio, vm.addrspace, VMMIO, 0x1000, 0);
  m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
  m.root.ok(Hypercall.vcpu_poweron, native.vcpus[0]!, NATIVE_BASE, 0, 0);
  m.hypervisor.schedule(1000);
  const bell = m.createDoorbell();
  const queue = m.createMsgqueue();
  const caps = [
    ...vm.vcpus,
    vm.vic,
    vm.vpm,
    vm.memory,
    vm.addrspace,
    vm.cspace,
    native.vic,
    ...native.vcpus,
    bell,
    queue,
  ];
  caps.push(BigInt(m.env.partition), BigInt(m.env.ddrMemextent), BigInt(m.env.hwirqs[40]!), BigInt(m.env.hwirqs[41]!));
  for (const call of [
    Hypercall.partition_create_vic,
    Hypercall.partition_create_thread,
    Hypercall.partition_create_vpm_group,
    Hypercall.partition_create_virtio_mmio,
  ])
    caps.push(m.create(call));
  // The guest holds some of them too, at the first ids that it may guess.
  for (const cap of caps.slice(0, 12)) m.give(cap, vm);
  return { m, vm, native, nativeVcpu: () => nativeVcpu, caps };
}

function act({ m, vm, nativeVcpu, caps }: Stage, op: RootOp): void {
  switch (op.op) {
    case "hypercall": {
      // The root VM does not give itself away: it would only end the test.
      if (op.fid === Hypercall.addrspace_unmap.fid || op.fid === Hypercall.vcpu_poweroff.fid) return;
      const { x } = m.root;
      x.fill(0n);
      x[0] = BigInt(op.fid);
      op.words.forEach((word, i) => {
        x[i + 1] = "cap" in word ? caps[word.cap % caps.length]! : word.word;
      });
      m.root.vcpu.hvc(x);
      if (op.fid === Hypercall.hypervisor_identify.fid) return;
      const error = gunyahErrorFromRegister(x[0]!);
      if (!KNOWN_ERRORS.has(error)) throw new Error(`0x${op.fid.toString(16)} answered ${error}`);
      return;
    }
    case "run":
      m.root.call(Hypercall.vcpu_run, vm.vcpus[op.vcpu]!, ...op.resume);
      m.hypervisor.schedule(200);
      return;
    case "gic": {
      const at = (op.address.frame === 0 ? distributor : redistributors) + op.address.at;
      nativeVcpu()?.load(at, op.size);
      nativeVcpu()?.store(at, op.size, op.value);
      return;
    }
    case "spi":
      m.hypervisor.setSpi(op.spi, op.level);
      return;
    default:
      m.clock.advance(op.ticks);
      m.hypervisor.schedule(200);
  }
}

describe("guests that do anything", () => {
  it("never make the hypervisor throw, and the next VM starts", { timeout: NIGHTLY ? 3_600_000 : 120_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(guestOp, { maxLength: 60, size: "max" }),
        fc.array(rootOp, { maxLength: 120, size: "max" }),
        (guestOps, rootOps) => {
          const stage = setUp(guestOps);
          const { m } = stage;
          for (const op of rootOps) act(stage, op);
          expect(m.hypervisor.inspect.checkOwnership()).toBeUndefined();
          // Whatever came before: a new VM in memory of its own comes up and answers.
          const later = m.createVm({ vmid: 60, base: LATER_BASE, size: 0x1000 });
          let started = false;
          m.program(LATER_BASE, {
            name: "later",
            start() {
              started = true;
            },
          });
          m.root.ok(Hypercall.vcpu_poweron, later.vcpus[0]!, LATER_BASE, 0, 0);
          for (let i = 0; i < 50 && !started; i++) m.hypervisor.schedule(1000);
          expect(started).toBe(true);
        },
      ),
      { numRuns: NIGHTLY ? 5000 : 40 },
    );
  });
});
