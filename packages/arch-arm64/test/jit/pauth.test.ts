/** Pointer authentication in a region: the modifier is the stack pointer of now, which a region has in a local. */
import { PeExit } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { D, DATA, RW, WINDOW } from "../support/probe.ts";
import { Twins } from "./twins.ts";

const PAGE = 9;
const TURNS = 200n;
/** x1 = exclusive or of x30 signed with each of x2 stack pointers. */
const LOOP = [
  0x9100_43ff, // 1: add sp, sp, #16
  0xd503_233f, // paciasp
  0xca1e_0021, // eor x1, x1, x30
  0xd503_23bf, // autiasp
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ff61, // b.ne 1b
  0xd400_0002, // hvc #0
];

it("signs and checks with the stack pointer that the region has changed", () => {
  const twins = new Twins({ threshold: 2 });
  const run = () => {
    twins.each(({ pe }) => {
      pe.x[1] = 0n;
      pe.x[2] = TURNS;
      pe.x[30] = 0x8020_0000n;
      pe.write("SP_EL1", 0x1000n);
      pe.write("ELR_EL2", BigInt(WINDOW + PAGE * 4096));
      pe.write("SPSR_EL2", 0x3c5n);
    });
    expect(twins.run(1_000_000)).toBe(PeExit.SYNC);
  };
  twins.each((stage) => {
    stage.map(PAGE, RW | D.NG);
    stage.el2.physical.write(DATA + PAGE * 4096, new Uint8Array(Uint32Array.from(LOOP).buffer));
    const { pe } = stage;
    // HCR_EL2.{API,APK}, SCTLR_EL1.EnIA
    pe.write("HCR_EL2", pe.read("HCR_EL2") | (3n << 40n));
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | (1n << 31n));
    pe.write("APIAKeyLo_EL1", 0x1234_5678_9abc_def0n);
    pe.write("APIAKeyHi_EL1", 0x0fed_cba9_8765_4321n);
  });
  for (let i = 0; i < 4; i++) run();
  expect(twins.fast.el2.backend.jitStatistics?.retired ?? 0).toBeGreaterThan(1000);
  for (const { pe } of [twins.plain, twins.fast]) expect(pe.x[30]).toBe(0x8020_0000n);
  expect(twins.plain.pe.x[1]).not.toBe(0n);
  expect(twins.fast.pe.x[1]).toBe(twins.plain.pe.x[1]);
});
