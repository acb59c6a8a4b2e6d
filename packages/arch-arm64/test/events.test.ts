/**
 * WFE and what ends it: SEV, SEVL, an exception return, the event streams, a store to what a monitor watches, interrupts.
 * Source: DDI 0487 K.a, D1.6.1.
 */
import { createVirtualClock, type Pe, PeExit } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { DATA, Stage } from "./support/probe.ts";

const WFE = 0xd503_205f;
const SEV = 0xd503_209f;
const SEVL = 0xd503_20bf;
const NOP = 0xd503_201f;
/** b .+4: where a budget may end a run. */
const B_NEXT = 0x1400_0001;
const HVC = 0xd400_0002;
const ERET = 0xd69f_03e0;
const CLREX = 0xd503_3f5f;
/** ldxr x0, [x1]; str x2, [x1] */
const LDXR = 0xc85f_7c20;
const STR = 0xf900_0022;
const EL1H_MASKED = 0x3c5n;

let stage: Stage;
let pe: Pe;
let other: Pe;
let next: number;

beforeEach(() => {
  stage = new Stage({ clock: createVirtualClock() });
  pe = stage.pe;
  other = stage.el2.createPe(0x8000_0001n);
  stage.reset(other);
  next = DATA + 0x10_0000;
  // The event that every start is.
  execute(pe, WFE);
});

/** Execute instructions on a PE, HVC after them. */
function execute(on: Pe, ...words: number[]): PeExit {
  const code = new Uint32Array([...words, HVC]);
  stage.el2.physical.write(next, new Uint8Array(code.buffer));
  on.write("ELR_EL2", BigInt(next));
  on.write("SPSR_EL2", EL1H_MASKED);
  next += 0x1000;
  return on.run(1000);
}

describe("WFE", () => {
  it("does not wait as the first thing after a start, so that what came before it is not slept through", () => {
    stage.reset();
    expect(execute(pe, WFE)).toBe(PeExit.SYNC);
  });

  it("waits without an event, and goes on after itself", () => {
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
    expect(pe.run(1000)).toBe(PeExit.SYNC);
  });

  it("consumes one event of any number", () => {
    expect(execute(pe, SEVL, SEVL, WFE)).toBe(PeExit.SYNC);
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
  });

  it("ends at once after SEV of another PE or of itself, and SEVL reaches no other", () => {
    execute(other, SEV);
    expect(execute(pe, WFE)).toBe(PeExit.SYNC);
    expect(execute(pe, SEV, WFE)).toBe(PeExit.SYNC);
    execute(pe, WFE);
    execute(other, SEVL);
    expect(pe.events.pending).toBe(false);
  });

  it("is told of the SEV of another PE while it waits, once", () => {
    let told = 0;
    pe.events.onEvent = () => told++;
    execute(other, SEV);
    execute(pe, WFE);
    expect(told).toBe(0);
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
    execute(other, SEV, SEV);
    expect(told).toBe(1);
    expect(pe.events.pending).toBe(true);
    expect(pe.run(1000)).toBe(PeExit.SYNC);
    execute(other, SEV);
    expect(told).toBe(1);
  });

  it("does not wait after an exception return: what the handler did may be what it waits for", () => {
    execute(pe, NOP);
    const target = next;
    stage.el2.physical.write(target, new Uint8Array(new Uint32Array([WFE, HVC]).buffer));
    next += 0x1000;
    pe.write("ELR_EL1", BigInt(target));
    pe.write("SPSR_EL1", EL1H_MASKED);
    expect(execute(pe, ERET)).toBe(PeExit.SYNC);
    expect(pe.read("ELR_EL2")).toBe(BigInt(target + 8));
  });

  it("waits with a monitor set, until another PE's store", () => {
    pe.x[1] = BigInt(DATA);
    other.x[1] = BigInt(DATA);
    other.x[2] = 5n;
    expect(execute(pe, LDXR, WFE)).toBe(PeExit.WAIT_EVENT);
    expect(pe.events.pending).toBe(false);
    execute(other, STR);
    expect(pe.events.pending).toBe(true);
    // The same between LDXR and WFE.
    expect(execute(pe, LDXR)).toBe(PeExit.SYNC);
  });

  it("sees a store that came between the load and itself", () => {
    pe.x[1] = BigInt(DATA);
    const code = next;
    stage.el2.physical.write(code, new Uint8Array(new Uint32Array([LDXR, B_NEXT, WFE, HVC]).buffer));
    next += 0x1000;
    pe.write("ELR_EL2", BigInt(code));
    pe.write("SPSR_EL2", EL1H_MASKED);
    expect(pe.run(1)).toBe(PeExit.BUDGET);
    stage.el2.physical.write(DATA + 3, Uint8Array.of(1));
    expect(pe.run(1000)).toBe(PeExit.SYNC);
    // It was that event and no more.
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
  });

  it("is told of a store to the monitored place by what is no PE, while it waits", () => {
    let told = 0;
    pe.events.onEvent = () => told++;
    pe.x[1] = BigInt(DATA);
    execute(pe, LDXR, WFE);
    stage.el2.physical.write(DATA + 8, Uint8Array.of(1));
    expect(told).toBe(0);
    stage.el2.physical.write(DATA + 7, Uint8Array.of(1));
    expect(told).toBe(1);
    // A monitor that was opened watches nothing.
    execute(pe, LDXR, CLREX, WFE);
    stage.el2.physical.write(DATA, Uint8Array.of(9));
    expect(told).toBe(1);
  });
});

describe("event streams", () => {
  const clock = () => stage.el2.clock;

  for (const [register, enable] of [
    ["CNTKCTL_EL1", 4n],
    ["CNTHCT_EL2", 7n],
  ] as const) {
    it(`of ${register} end a WFE with their period`, () => {
      // Bit 9 rises: every 1024 ticks, at 512.
      pe.write(register, enable | (9n << 4n));
      clock().at(700, () => {});
      clock().idle();
      expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
      expect(pe.events.next).toBe(1024 + 512);
      expect(pe.events.pending).toBe(false);
      clock().at(1024 + 512, () => {});
      clock().idle();
      expect(pe.events.pending).toBe(true);
      expect(pe.run(1000)).toBe(PeExit.SYNC);
    });
  }

  it("follow the virtual counter's offset and the direction", () => {
    pe.write("CNTVOFF_EL2", 100n);
    pe.write("CNTKCTL_EL1", 4n | 8n | (3n << 4n));
    clock().at(105, () => {});
    clock().idle();
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
    // CNTVCT is 16 when bit 3 falls.
    expect(pe.events.next).toBe(116);
  });

  it("set the event register while the PE does something else", () => {
    pe.write("CNTKCTL_EL1", 4n | (4n << 4n));
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
    execute(pe, NOP);
    clock().at(200, () => {});
    clock().idle();
    expect(execute(pe, NOP, WFE)).toBe(PeExit.SYNC);
  });

  it("are off without EVNTEN", () => {
    pe.write("CNTKCTL_EL1", 9n << 4n);
    expect(execute(pe, WFE)).toBe(PeExit.WAIT_EVENT);
    expect(pe.events.next).toBe(Number.POSITIVE_INFINITY);
  });

  it("are kept by save and restore", () => {
    execute(other, SEV);
    const saved = pe.save();
    execute(pe, WFE);
    expect(pe.events.pending).toBe(false);
    const without = pe.save();
    pe.restore(saved);
    expect(pe.events.pending).toBe(true);
    pe.restore(without);
    expect(pe.events.pending).toBe(false);
  });
});
