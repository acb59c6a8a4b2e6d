/** What a guest's accesses to its GIC do: widths, SGIs of the other group, a timer level that falls. */

import { Hypercall } from "@gunyah-ts/abi";
import { ICC_SGI1R_EL1, type PeScript } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { distributorAllows } from "../src/vgic/distributor.ts";
import { redistributorAllows } from "../src/vgic/redistributor.ts";
import { BOARD, Machine } from "./machine.ts";

const BASE = 0x8100_0000;
const VECTORS = BASE + 0x8000;
const GICD = BOARD.hostGic.distributor;
const SGI_FRAME = BOARD.hostGic.redistributors + 0x1_0000;

/** Run a guest until it waits, and once more for each interrupt of its timer. */
function run(script: PeScript, onAbort?: PeScript): Machine {
  const m = new Machine();
  const vm = m.createVm({ vmid: 40, base: BASE, psci: true, proxy: true });
  m.fake.program(BASE, script);
  if (onAbort !== undefined) m.fake.program(VECTORS + 0x200, onAbort);
  m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
  m.root.ok(Hypercall.vcpu_run, vm.vcpus[0]!, 0, 0, 0);
  return m;
}

describe("widths of GIC registers", () => {
  it.each([
    ["GICD_CTLR", 0x0, [4]],
    ["GICD_SETSPI_NSR", 0x40, [2, 4]],
    ["GICD_CLRSPI_NSR", 0x48, [2, 4]],
    ["GICD_ISENABLER2", 0x108, [4]],
    ["the last byte before GICD_IPRIORITYR", 0x3ff, []],
    ["GICD_IPRIORITYR0", 0x400, [1, 4]],
    ["GICD_ITARGETSR, its last byte", 0xbff, [1]],
    ["GICD_ICFGR0", 0xc00, [4]],
    ["GICD_CPENDSGIR0", 0xf10, [1, 4]],
    ["GICD_SPENDSGIR, behind it", 0xf30, [4]],
    ["before GICD_IROUTER0", 0x5ff8, [4]],
    ["GICD_IROUTER0", 0x6000, [4, 8]],
    ["GICD_IROUTER1023", 0x7ff8, [4, 8]],
    ["behind GICD_IROUTER", 0x8000, [4]],
  ] as const)("%s at %i", (_name, offset, sizes) => {
    const aligned = [1, 2, 4, 8].filter((size) => offset % size === 0);
    expect(aligned.filter((size) => distributorAllows(offset, size))).toEqual(sizes);
  });

  it.each([
    ["GICR_CTLR", 0x0, [4]],
    ["GICR_TYPER", 0x8, [4, 8]],
    ["GICR_WAKER", 0x14, [4]],
    ["GICR_PROPBASER", 0x70, [4, 8]],
    ["GICR_PENDBASER", 0x78, [4, 8]],
    ["GICR_ISENABLER0", 0x1_0100, [4]],
    ["before GICR_IPRIORITYR0", 0x1_03ff, []],
    ["GICR_IPRIORITYR0", 0x1_0400, [1, 4]],
    ["GICR_IPRIORITYR, its last byte", 0x1_041f, [1]],
    ["behind GICR_IPRIORITYR", 0x1_0420, [4]],
  ] as const)("%s at %i", (_name, offset, sizes) => {
    const aligned = [1, 2, 4, 8].filter((size) => offset % size === 0);
    expect(aligned.filter((size) => redistributorAllows(offset, size))).toEqual(sizes);
  });

  it("faults a guest's access of another width, and changes nothing", () => {
    const values: bigint[] = [];
    let aborts = 0;
    run(
      function* (cpu) {
        yield* cpu.msr("VBAR_EL1", BigInt(VECTORS));
        yield* cpu.store(GICD + 0x420, 4, 0x8080_8080n);
        yield* cpu.store(GICD + 0x420, 2, 0x1010n);
        yield* cpu.store(GICD + 0x420, 8, 0x1010_1010_1010_1010n);
        yield* cpu.store(GICD + 0x421, 1, 0x40n);
        yield* cpu.load(GICD + 0x104, 8);
        yield* cpu.load(SGI_FRAME + 0x400, 2);
        values.push(yield* cpu.load(GICD + 0x420, 4), yield* cpu.load(GICD + 0x424, 4));
        yield* cpu.wfi();
      },
      function* (cpu) {
        aborts++;
        yield* cpu.msr("ELR_EL1", cpu.mrs("ELR_EL1") + 4n);
        yield* cpu.eret();
      },
    );
    expect(aborts).toBe(4);
    expect(values).toEqual([0x8080_4080n, 0n]);
  });
});

describe("SGIs by the register of a group", () => {
  const ICC_ASGI1R_EL1 = { ...ICC_SGI1R_EL1, op2: 6 };
  const ICC_SGI0R_EL1 = { ...ICC_SGI1R_EL1, op2: 7 };

  it("ICC_ASGI1R_EL1 is ICC_SGI0R_EL1 by another name: one security state", () => {
    const pending: bigint[] = [];
    run(function* (cpu) {
      // SGI 1 in group 1, SGI 2 in group 0
      yield* cpu.store(SGI_FRAME + 0x80, 4, 1n << 1n);
      for (const register of [ICC_SGI1R_EL1, ICC_SGI0R_EL1, ICC_ASGI1R_EL1]) {
        yield* cpu.trappedMsr(register, (1n << 24n) | 1n);
        yield* cpu.trappedMsr(register, (2n << 24n) | 1n);
        pending.push(yield* cpu.load(SGI_FRAME + 0x200, 4));
        yield* cpu.store(SGI_FRAME + 0x280, 4, 0xffff_ffffn);
      }
      yield* cpu.wfi();
    });
    expect(pending).toEqual([2n, 4n, 4n]);
  });
});

describe("the level of a timer", () => {
  it("falls in ISPENDR when the guest takes its condition away before it acknowledged", () => {
    const seen: (bigint | number)[] = [];
    run(function* (cpu) {
      yield* cpu.store(GICD, 4, 0x13n);
      yield* cpu.store(SGI_FRAME + 0x80, 4, 0xffff_ffffn);
      yield* cpu.store(SGI_FRAME + 0x100, 4, 1n << 27n);
      cpu.setPriorityMask(0xf0);
      cpu.setGroup1Enabled(true);
      yield* cpu.msr("CNTV_CVAL_EL0", 0n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.nop(10);
      seen.push(yield* cpu.load(SGI_FRAME + 0x200, 4));
      yield* cpu.msr("CNTV_CTL_EL0", 3n);
      seen.push(yield* cpu.load(SGI_FRAME + 0x200, 4), cpu.acknowledge());
      // Back again, and acknowledged: active does not fall with the level.
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.nop(10);
      seen.push(cpu.acknowledge());
      yield* cpu.msr("CNTV_CTL_EL0", 3n);
      seen.push(yield* cpu.load(SGI_FRAME + 0x300, 4));
      cpu.endOfInterrupt(27);
      seen.push(yield* cpu.load(SGI_FRAME + 0x300, 4), yield* cpu.load(SGI_FRAME + 0x200, 4));
      yield* cpu.wfi();
    });
    expect(seen).toEqual([1n << 27n, 0n, 1023, 27, 1n << 27n, 0n, 0n]);
  });
});

describe("more active interrupts than list registers", () => {
  const FIRST = 40;
  /** The fake PE has four list registers. */
  const DEPTH = 7;
  const ICC_DIR_EL1 = { ...ICC_SGI1R_EL1, op2: 1 };
  const isActive = GICD + 0x300 + 4;
  const allActive = ((1n << BigInt(DEPTH)) - 1n) << 8n;

  /** Acknowledge interrupts `FIRST` on, each of a higher priority than the one before. */
  function* nest(cpu: Parameters<PeScript>[0], taken: number[]): ReturnType<PeScript> {
    yield* cpu.store(GICD, 4, 0x13n);
    yield* cpu.store(GICD + 0x80 + 4, 4, 0xffff_ffffn);
    yield* cpu.store(GICD + 0xc00 + 8, 4, 0xaaaa_aaaan);
    yield* cpu.store(GICD + 0xc00 + 12, 4, 0xaaaa_aaaan);
    cpu.setPriorityMask(0xf0);
    cpu.setGroup1Enabled(true);
    for (let i = 0; i < DEPTH; i++) {
      yield* cpu.store(GICD + 0x400 + FIRST + i, 1, BigInt(0xa0 - 8 * i));
      yield* cpu.store(GICD + 0x100 + 4, 4, 1n << BigInt(8 + i));
      yield* cpu.store(GICD + 0x200 + 4, 4, 1n << BigInt(8 + i));
      taken.push(cpu.acknowledge());
    }
  }
  const inOrder = Array.from({ length: DEPTH }, (_, i) => FIRST + i);

  it("are all taken, and each end finds its own", () => {
    const taken: number[] = [];
    const active: bigint[] = [];
    run(function* (cpu) {
      yield* nest(cpu, taken);
      active.push(yield* cpu.load(isActive, 4));
      for (let i = DEPTH; i-- > 0; ) {
        cpu.endOfInterrupt(FIRST + i);
        yield* cpu.nop();
        active.push(yield* cpu.load(isActive, 4));
      }
      // The outermost, which was kept outside, can come again.
      yield* cpu.store(GICD + 0x200 + 4, 4, 1n << 8n);
      taken.push(cpu.acknowledge());
      yield* cpu.wfi();
    });
    expect(taken).toEqual([...inOrder, FIRST]);
    expect(active).toEqual(Array.from({ length: DEPTH + 1 }, (_, i) => ((1n << BigInt(DEPTH - i)) - 1n) << 8n));
  });

  it("and with EOImode 1 are deactivated in any order", () => {
    const taken: number[] = [];
    const active: bigint[] = [];
    run(function* (cpu) {
      yield* cpu.msr("ICH_VMCR_EL2", 1n << 9n);
      yield* nest(cpu, taken);
      for (let i = DEPTH; i-- > 0; ) cpu.endOfInterrupt(FIRST + i);
      active.push(yield* cpu.load(isActive, 4));
      for (const i of [1, 0, 6, 2]) {
        yield* cpu.trappedMsr(ICC_DIR_EL1, BigInt(FIRST + i));
        active.push(yield* cpu.load(isActive, 4));
      }
      yield* cpu.wfi();
    });
    expect(taken).toEqual(inOrder);
    const without = (...gone: number[]) => gone.reduce((bits, i) => bits & ~(1n << BigInt(8 + i)), allActive);
    expect(active).toEqual([allActive, without(1), without(1, 0), without(1, 0, 6), without(1, 0, 6, 2)]);
  });

  it("may be the timer's: its end deactivates the physical one, and it comes again", () => {
    const taken: number[] = [];
    run(function* (cpu) {
      yield* cpu.store(SGI_FRAME + 0x80, 4, 0xffff_ffffn);
      yield* cpu.store(SGI_FRAME + 0x400 + 27, 1, 0xe0n);
      yield* cpu.store(SGI_FRAME + 0x100, 4, 1n << 27n);
      cpu.setPriorityMask(0xf8);
      cpu.setGroup1Enabled(true);
      yield* cpu.store(GICD, 4, 0x13n);
      yield* cpu.msr("CNTV_CVAL_EL0", 0n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.nop(10);
      taken.push(cpu.acknowledge());
      yield* nest(cpu, taken);
      for (let i = DEPTH; i-- > 0; ) cpu.endOfInterrupt(FIRST + i);
      cpu.endOfInterrupt(27);
      yield* cpu.nop(10);
      cpu.setPriorityMask(0xf8);
      taken.push(cpu.acknowledge());
      yield* cpu.wfi();
    });
    expect(taken).toEqual([27, ...inOrder, 27]);
  });
});

describe("ICACTIVER", () => {
  it("of a timer's interrupt deactivates the physical one too", () => {
    const taken: number[] = [];
    run(function* (cpu) {
      yield* cpu.store(GICD, 4, 0x13n);
      yield* cpu.store(SGI_FRAME + 0x80, 4, 0xffff_ffffn);
      yield* cpu.store(SGI_FRAME + 0x100, 4, 1n << 27n);
      cpu.setPriorityMask(0xf0);
      cpu.setGroup1Enabled(true);
      yield* cpu.msr("CNTV_CVAL_EL0", 0n);
      yield* cpu.msr("CNTV_CTL_EL0", 1n);
      yield* cpu.nop(10);
      taken.push(cpu.acknowledge());
      yield* cpu.store(SGI_FRAME + 0x380, 4, 1n << 27n);
      yield* cpu.msr("ICH_AP1R0_EL2", 0n);
      yield* cpu.nop(10);
      taken.push(cpu.acknowledge());
      yield* cpu.wfi();
    });
    expect(taken).toEqual([27, 27]);
  });
});
