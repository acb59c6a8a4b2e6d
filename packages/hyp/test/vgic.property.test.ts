/**
 * The virtual GIC against a model that has no list registers: state of every interrupt, and at each acknowledge the
 * one that IHI 0069H §4.8 says. Clause: IHI 0069H §4.1.2 (interrupt handling state machine).
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NativeCpuInterface } from "../src/vgic/cpu-interface.ts";
import {
  type ListRegisters,
  LrHigh,
  LrState,
  lrState,
  type MaintenanceConditions,
} from "../src/vgic/list-registers.ts";
import { DEFAULT_MPIDR_MAPPING } from "../src/vgic/mpidr-mapping.ts";
import { Vgic } from "../src/vgic/vgic.ts";
import type { VgicCpu } from "../src/vgic/vgic-cpu.ts";
import { VirqSource } from "../src/virq/virq-source.ts";

const CPUS = 2;
const SPIS = [32, 33, 34, 35, 36, 37] as const;

/** A native CPU interface whose number of list registers can be small. */
class SmallInterface extends NativeCpuInterface {
  override readonly listRegisterCount: number;
  asked: MaintenanceConditions = { nonePending: false, unlistedEnds: false };
  #ends = 0;

  constructor(count: number) {
    super();
    (this as { listRegisterCount: number }).listRegisterCount = count;
    this.listRegisterCount = count;
  }

  override setMaintenance(conditions: MaintenanceConditions): void {
    super.setMaintenance(conditions);
    if (this.asked.unlistedEnds !== conditions.unlistedEnds) this.#ends = 0;
    this.asked = conditions;
  }

  override takeUnlistedEnds(): number {
    const ends = super.takeUnlistedEnds() + this.#ends;
    this.#ends = 0;
    return ends;
  }

  /** ICH_MISR_EL2 is not 0. Pending and active counts as pending, as KVM has it: the harder reading of NP. */
  get maintenance(): boolean {
    const high = (test: (high: number) => boolean): boolean =>
      Array.from({ length: this.listRegisterCount }, (_, n) => this.listRegisters[2 * n + 1]!).some(test);
    if (this.asked.nonePending && !high((high) => (high & LrHigh.PENDING) !== 0)) return true;
    if (high((high) => lrState(high) === LrState.INVALID && (high & (LrHigh.EOI | LrHigh.HW)) === LrHigh.EOI))
      return true;
    if (!this.asked.unlistedEnds) return false;
    this.#ends += super.takeUnlistedEnds();
    return this.#ends > 0;
  }
}

/** One interrupt of the model. */
interface Irq {
  enabled: boolean;
  edge: boolean;
  latch: boolean;
  level: boolean;
  active: boolean;
  priority: number;
  target: number;
}

class Model {
  readonly irqs = SPIS.map(
    (): Irq => ({ enabled: false, edge: true, latch: false, level: false, active: false, priority: 0, target: 0 }),
  );
  readonly stacks: number[][] = Array.from({ length: CPUS }, () => []);
  enabled = true;

  isPending(irq: Irq): boolean {
    return irq.latch || (irq.level && !irq.edge);
  }

  /** INTIDs that an acknowledge on `cpu` may return: the highest priority, equals in any order. */
  candidates(cpu: number): number[] {
    if (!this.enabled) return [];
    const running = this.stacks[cpu]!.at(-1);
    const limit = Math.min(0xf0, running === undefined ? 0xff : this.irqs[running]!.priority);
    const ready = this.irqs
      .map((irq, i) => ({ irq, i }))
      .filter(
        ({ irq }) => irq.enabled && !irq.active && irq.target === cpu && this.isPending(irq) && irq.priority < limit,
      );
    const best = Math.min(...ready.map(({ irq }) => irq.priority));
    return ready.filter(({ irq }) => irq.priority === best).map(({ i }) => i);
  }
}

interface Real {
  readonly vgic: Vgic;
  readonly lrs: SmallInterface[];
  readonly cpus: VgicCpu[];
  readonly sources: VirqSource[];
  readonly levels: boolean[];
}

function setUp(lrCount: number): Real {
  const vgic = new Vgic({ maxVcpus: CPUS, maxVirqs: 64, mpidr: DEFAULT_MPIDR_MAPPING });
  const lrs = Array.from({ length: CPUS }, () => new SmallInterface(lrCount));
  const cpus = lrs.map((lr, i) => vgic.attachCpu(i, lr as ListRegisters, () => {}));
  for (const lr of lrs) {
    lr.setPriorityMask(0xf0);
    lr.setGroup1Enabled(true);
  }
  vgic.vdeviceWrite(0, 0, 4, 0x13);
  const levels = SPIS.map(() => false);
  const sources = SPIS.map((spi, i) => {
    const source = new VirqSource(() => levels[i]!);
    expect(vgic.bindShared(source, spi)).toBe(0);
    return source;
  });
  vgic.vdeviceWrite(0, 0x84, 4, 0xffff_ffff);
  vgic.vdeviceWrite(0, 0xc08, 4, 0xaaaa_aaaa);
  return { vgic, lrs, cpus, sources, levels };
}

const irq = fc.nat(SPIS.length - 1);
const cpu = fc.nat(CPUS - 1);
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("assert" as const), irq }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("clear" as const), irq }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("enable" as const), irq, on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("latch" as const), irq, on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("trigger" as const), irq, edge: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("priority" as const),
      irq,
      value: fc.constantFrom<number>(0x20, 0x80, 0xa0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("route" as const), irq, cpu }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("distributor" as const), on: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("acknowledge" as const), cpu }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("end" as const), cpu }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Maintenance interrupts are taken before any guest goes on. */
function takeMaintenance(real: Real): void {
  for (const [i, lrs] of real.lrs.entries()) if (lrs.maintenance) real.vgic.sync(real.cpus[i]!);
}

function apply(real: Real, model: Model, c: Command): void {
  const { vgic, lrs, sources, levels } = real;
  const of = (i: number): { irq: Irq; spi: number; bit: number } => ({
    irq: model.irqs[i]!,
    spi: SPIS[i]!,
    bit: 1 << i,
  });
  switch (c.op) {
    case "assert": {
      const { irq } = of(c.irq);
      levels[c.irq] = true;
      sources[c.irq]!.assert();
      if (irq.edge) irq.latch = true;
      irq.level = true;
      break;
    }
    case "clear":
      levels[c.irq] = false;
      sources[c.irq]!.clear();
      model.irqs[c.irq]!.level = false;
      break;
    case "enable":
      vgic.vdeviceWrite(0, c.on ? 0x104 : 0x184, 4, of(c.irq).bit);
      of(c.irq).irq.enabled = c.on;
      break;
    case "latch":
      vgic.vdeviceWrite(0, c.on ? 0x204 : 0x284, 4, of(c.irq).bit);
      of(c.irq).irq.latch = c.on;
      break;
    case "trigger": {
      // Software changes the trigger of disabled, inactive interrupts only (IHI 0069H §12.9.7).
      const { irq, spi } = of(c.irq);
      if (irq.enabled || irq.active) break;
      const shift = 2 * (spi % 16) + 1;
      const old = vgic.vdeviceRead(0, 0xc08, 4);
      vgic.vdeviceWrite(0, 0xc08, 4, c.edge ? old | (1 << shift) : old & ~(1 << shift));
      irq.edge = c.edge;
      break;
    }
    case "priority": {
      const { irq, spi } = of(c.irq);
      // The running priority of an active interrupt was taken at its acknowledge.
      if (irq.active) break;
      vgic.vdeviceWrite(0, 0x400 + spi, 1, c.value);
      irq.priority = c.value;
      break;
    }
    case "route":
      vgic.vdeviceWrite(0, 0x6000 + 8 * of(c.irq).spi, 4, c.cpu);
      of(c.irq).irq.target = c.cpu;
      break;
    case "distributor":
      vgic.vdeviceWrite(0, 0, 4, c.on ? 0x13 : 0x10);
      model.enabled = c.on;
      break;
    case "acknowledge": {
      const expected = model.candidates(c.cpu);
      takeMaintenance(real);
      const intid = lrs[c.cpu]!.acknowledge();
      const i = SPIS.indexOf(intid as (typeof SPIS)[number]);
      if (expected.length === 0) expect(intid).toBe(1023);
      else expect(expected).toContain(i);
      if (i < 0) break;
      const irq = model.irqs[i]!;
      irq.active = true;
      irq.latch = false;
      model.stacks[c.cpu]!.push(i);
      break;
    }
    case "end": {
      const i = model.stacks[c.cpu]!.pop();
      if (i === undefined) break;
      lrs[c.cpu]!.endOfInterrupt(SPIS[i]!);
      model.irqs[i]!.active = false;
      break;
    }
  }
}

function compare(real: Real, model: Model): void {
  const bits = (test: (irq: Irq) => boolean): number =>
    model.irqs.reduce((word, irq, i) => (test(irq) ? word | (1 << i) : word), 0);
  const { vgic } = real;
  expect(vgic.vdeviceRead(0, 0x304, 4), "active").toBe(bits((irq) => irq.active));
  expect(vgic.vdeviceRead(0, 0x204, 4), "pending").toBe(bits((irq) => model.isPending(irq)));
  expect(vgic.vdeviceRead(0, 0x104, 4), "enabled").toBe(bits((irq) => irq.enabled));
  takeMaintenance(real);
  for (const [i, lrs] of real.lrs.entries()) {
    expect(lrs.virtualInterruptPending, `signal of CPU ${i}`).toBe(model.candidates(i).length > 0);
    const held = [];
    for (let n = 0; n < lrs.listRegisterCount; n++)
      if ((lrs.listRegisters[2 * n + 1]! & (LrHigh.PENDING | LrHigh.ACTIVE)) !== 0) held.push(lrs.listRegisters[2 * n]);
    expect(new Set(held).size, "an interrupt is in one list register").toBe(held.length);
  }
}

describe("virtual GIC", () => {
  it.each([16, 4, 2, 1])("agrees with a model without list registers, %i of them", (count) => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.tuple(command, fc.boolean()), { maxLength: 80 }), (nested, commands) => {
        const real = setUp(count);
        const model = new Model();
        // Each preempts the one before.
        if (nested)
          for (const i of SPIS.keys()) {
            apply(real, model, { op: "enable", irq: i, on: true });
            apply(real, model, { op: "priority", irq: i, value: 0xa0 - 0x10 * i });
            apply(real, model, { op: "assert", irq: i });
            if (i < 4) apply(real, model, { op: "acknowledge", cpu: 0 });
          }
        for (const [c, look] of commands) {
          apply(real, model, c);
          // Looking reads back, which must not be what keeps them together.
          if (look) compare(real, model);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("asks to be told of the ends of what software made active beside full list registers", () => {
    const { vgic, lrs, cpus } = setUp(2);
    vgic.vdeviceWrite(0, 0x304, 4, 0b11);
    expect(lrs[0]!.asked).toEqual({ nonePending: false, unlistedEnds: false });
    vgic.vdeviceWrite(0, 0x304, 4, 0b100);
    expect(lrs[0]!.asked).toEqual({ nonePending: false, unlistedEnds: true });
    // What software made active holds no running priority: it ends after what was acknowledged.
    vgic.vdeviceWrite(0, 0x420, 4, 0x8080_8080);
    vgic.vdeviceWrite(0, 0x104, 4, 0b1000);
    vgic.vdeviceWrite(0, 0x204, 4, 0b1000);
    expect(lrs[0]!.acknowledge()).toBe(35);
    vgic.deactivate(0, 33);
    vgic.deactivate(0, 32);
    lrs[0]!.endOfInterrupt(35);
    vgic.sync(cpus[0]!);
    expect(vgic.vdeviceRead(0, 0x304, 4)).toBe(0b100);
    vgic.deactivate(0, 34);
    expect(vgic.vdeviceRead(0, 0x304, 4)).toBe(0);
    expect(lrs[0]!.asked).toEqual({ nonePending: false, unlistedEnds: false });
  });

  it("never loses or doubles an SGI", () => {
    const real = setUp(4);
    for (const i of [1, 2]) {
      real.vgic.vdeviceWrite(i, 0x1_0080, 4, 0xffff_ffff);
      real.vgic.vdeviceWrite(i, 0x1_0100, 4, 0xffff);
    }
    real.vgic.sendSgi(0, (3 << 24) | 0b11, 0, true);
    real.vgic.sendSgi(0, (3 << 24) | 0b10, 0, true);
    real.vgic.sendSgi(0, 7 << 24, 1 << 8, true);
    expect([real.lrs[0]!.acknowledge(), real.lrs[0]!.acknowledge()]).toEqual([3, 1023]);
    const second = real.lrs[1]!;
    const got = [second.acknowledge()];
    second.endOfInterrupt(got[0]!);
    got.push(second.acknowledge());
    expect(got.sort()).toEqual([3, 7]);
  });
});
