/** What an exception return does besides returning, and the syndrome of a virtual SError. Source: DDI 0487 K.a D1.3. */
import { expect, it } from "vitest";
import { DATA, Stage } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;

it("opens the exclusive monitor on ERET", () => {
  // ldxr x3, [x1]; msr elr_el1, x4; eret or nop; stxr w2, x0, [x1]
  const program = (middle: number) => [0xc85f7c23, 0xd5184024, middle, 0xc8027c20];
  const status = (middle: number) => {
    stage.reset();
    const registers = { X0: 7n, X1: DATA, X4: Stage.words() + 12, SPSR_EL1: 0x3c5n };
    expect(stage.tryWords(program(middle), registers).kind).toBe("done");
    return pe.x[2];
  };
  expect(status(0xd503201f)).toBe(0n);
  expect(status(0xd69f03e0)).toBe(1n);
});

it("gives a virtual SError an IMPLEMENTATION DEFINED syndrome, once", () => {
  stage.reset();
  const hcr = pe.read("HCR_EL2");
  // AMO is set already; VSE; PSTATE.A clear
  pe.write("HCR_EL2", hcr | (1n << 8n));
  expect(stage.tryWords([0xd503201f], {}, { spsr: 0x2c5n })).toMatchObject({ kind: "el1", vector: 7 });
  // EC SError, IL, IDS
  expect(pe.read("ESR_EL1")).toBe(0xbf00_0000n);
  expect(pe.read("HCR_EL2")).toBe(hcr);
});
