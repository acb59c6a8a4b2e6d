import { beforeEach, describe, expect, it } from "vitest";
import { Stage, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const STEP = 0x20_0000n;

beforeEach(() => {
  stage.reset();
  pe.write("OSLAR_EL1", 0n);
  pe.write("MDCR_EL2", 0n);
});

describe("software step", () => {
  it("takes the step exception after one instruction of EL0", () => {
    pe.write("MDSCR_EL1", 1n);
    const start = stage.address("p_spin", 0);
    expect(stage.try("p_spin", { X0: 0 }, { el: 0, spsr: STEP })).toMatchObject({
      kind: "el1",
      vector: 8,
      ec: 0x32,
      iss: (1 << 24) | 0x22,
      elr: BigInt(start + 4),
    });
    expect(pe.x[0]).toBe(1n);
    expect(pe.read("SPSR_EL1") & STEP).toBe(0n);
  });
  it("is pending at once with SPSR.SS clear", () => {
    pe.write("MDSCR_EL1", 1n);
    expect(stage.try("p_spin", { X0: 0 }, { el: 0, spsr: 0n })).toMatchObject({
      kind: "el1",
      ec: 0x32,
      iss: 0x22,
      elr: BigInt(stage.address("p_spin", 0)),
    });
    expect(pe.x[0]).toBe(0n);
  });
  it("does not step EL1 without KDE, steps it with KDE and D clear", () => {
    pe.write("MDSCR_EL1", 1n);
    expect(stage.try("p_nop", {}, { spsr: 0x1c5n | STEP }).kind).toBe("done");
    pe.write("MDSCR_EL1", 1n | (1n << 13n));
    expect(stage.try("p_spin", { X0: 0 }, { spsr: 0x1c5n | STEP })).toMatchObject({
      kind: "el1",
      vector: 4,
      ec: 0x33,
      elr: BigInt(stage.address("p_spin") + 4),
    });
  });
  it("goes to EL2 with MDCR_EL2.TDE, for a debugger outside", () => {
    pe.write("MDSCR_EL1", 1n);
    pe.write("MDCR_EL2", 1n << 8n);
    expect(stage.try("p_spin", { X0: 0 }, { spsr: 0x3c5n | STEP })).toMatchObject({
      kind: "el2",
      ec: 0x32,
      iss: (1 << 24) | 0x22,
    });
    for (let n = 2; n < 6; n++) {
      pe.write("SPSR_EL2", pe.read("SPSR_EL2") | STEP);
      expect(stage.resume()).toMatchObject({ kind: "el2", ec: 0x32 });
    }
    expect(pe.x[0]).toBe(3n);
  });
  it("does nothing while the OS lock is set", () => {
    pe.write("OSLAR_EL1", 1n);
    pe.write("MDSCR_EL1", 1n);
    expect(stage.try("p_nop", {}, { el: 0, spsr: STEP }).kind).toBe("done");
  });
});

describe("breakpoints and watchpoints", () => {
  it("stops before the instruction at a breakpoint", () => {
    pe.write("MDSCR_EL1", 1n << 15n);
    pe.write("DBGBVR2_EL1", BigInt(stage.address("p_spin", 0) + 4));
    pe.write("DBGBCR2_EL1", 0x1e5n);
    expect(stage.try("p_spin", { X0: 0 }, { el: 0 })).toMatchObject({
      kind: "el1",
      ec: 0x30,
      iss: 0x22,
      elr: BigInt(stage.address("p_spin", 0) + 4),
    });
    expect(pe.x[0]).toBe(1n);
  });
  it("stops before the access at a watchpoint, by kind of access", () => {
    stage.map(1, 0x743n);
    pe.write("MDSCR_EL1", 1n << 15n);
    // BAS: bytes 4-7, stores, EL0
    pe.write("DBGWVR0_EL1", BigInt(WINDOW + 4096));
    pe.write("DBGWCR0_EL1", (0xf0n << 5n) | (2n << 3n) | (2n << 1n) | 1n);
    const at = { X1: WINDOW + 4096, X2: 0, X7: 1 };
    expect(stage.try("p_ldr", at, { el: 0 }).kind).toBe("done");
    expect(stage.try("p_strh", at, { el: 0 }).kind).toBe("done");
    expect(stage.try("p_strh", { ...at, X1: WINDOW + 4096 + 6 }, { el: 0 })).toMatchObject({
      kind: "el1",
      ec: 0x34,
      iss: (1 << 6) | 0x22,
      far: BigInt(WINDOW + 4096 + 6),
    });
    expect(stage.try("p_str", { ...at, X0: 0 }, { el: 0 })).toMatchObject({ kind: "el1", ec: 0x34 });
  });
});
