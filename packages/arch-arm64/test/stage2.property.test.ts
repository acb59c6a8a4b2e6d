import { isFault, walkStage2 } from "@gunyah-ts/kernel/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FAULT, M } from "../src/mmu/layout.ts";
import { StateBlock } from "../src/state/block.ts";
import { ACCDESC } from "../src/state/layout.ts";
import { DRAM_BASE } from "./support/minimal-el2.ts";
import { Stage } from "./support/probe.ts";

/** Tables lie in four pages, so that random descriptors often point at one another. */
const TABLES = DRAM_BASE + 0x80_0000;
const TABLE_PAGES = 4;

const descriptor = fc
  .record({
    page: fc.integer({ min: 0, max: TABLE_PAGES + 1 }),
    type: fc.constantFrom(0n, 1n, 3n, 3n, 3n),
    low: fc.bigInt({ min: 0n, max: 0x3ffn }),
    accessFlag: fc.constantFrom(0n, 1n, 1n, 1n),
    xn: fc.bigInt({ min: 0n, max: 3n }),
    high: fc.constantFrom(0n, 0n, 0n, 1n << 40n, 1n << 45n),
  })
  .map(
    ({ page, type, low, accessFlag, xn, high }) =>
      BigInt(TABLES + page * 4096) | high | ((low << 2n) & 0xffcn) | (accessFlag << 10n) | type | (xn << 53n),
  );

/** T0SZ and SL0 that fit each other: levels 0, 1 (concatenated and not) and 2. */
const control = fc.constantFrom<[t0sz: number, sl0: number][]>(
  [20, 2],
  [24, 1],
  [25, 1],
  [30, 1],
  [31, 1],
  [34, 0],
  [36, 0],
);

describe("stage 2 walk", () => {
  it("equals the reference walker on random tables (D8.2, D8.3)", () => {
    const stage = new Stage();
    const { physical, backend } = stage.el2;
    const pe = backend.createPe({ mpidr: 0x8000_0009n });
    pe.write("HCR_EL2", 0x8000_0001n);
    const state = new StateBlock(physical.memory, 1);
    const random = fc.record({
      control,
      ps: fc.integer({ min: 0, max: 5 }),
      entries: fc.array(descriptor, { minLength: 1, maxLength: 40 }),
      indices: fc.array(fc.integer({ min: 0, max: 511 }), { minLength: 4, maxLength: 4 }),
      offset: fc.integer({ min: 0, max: 4095 }),
    });
    const reached = new Set<number>();
    fc.assert(
      fc.property(random, ({ control: [t0sz, sl0], ps, entries, indices, offset }) => {
        // Every entry of every table, so that walks go deep.
        for (let n = 0; n < TABLE_PAGES * 512; n++)
          physical.data.setBigUint64(
            physical.offsetOf(TABLES) + n * 8,
            entries[(n * 7) % entries.length] as bigint,
            true,
          );
        const vttbr = (3n << 48n) | BigInt(TABLES);
        const vtcr = 0x8000_0000n | BigInt(ps << 16) | BigInt((sl0 as number) << 6) | BigInt(t0sz as number);
        pe.write("VTTBR_EL2", vttbr);
        pe.write("VTCR_EL2", vtcr);
        const ipa =
          indices.reduce((address, part, level) => address + part * 2 ** (39 - 9 * level), offset) %
          2 ** (65 - (t0sz as number));
        const expected = walkStage2(physical, vttbr, vtcr, ipa);
        for (const [access, allowed] of [
          [1, "read"],
          [ACCDESC.WRITE | 1, "write"],
          [ACCDESC.FETCH | 4, "execute"],
        ] as const) {
          const fault = backend.wasm.translate(state.base, BigInt(ipa), access, 1);
          if (isFault(expected)) {
            expect(fault).toBe(FAULT.VALID | FAULT.STAGE2 | expected.fault);
            reached.add(expected.fault);
            expect(Number(state.get64(M.OUT_FAULT_IPA))).toBe(ipa);
          } else if (!expected[allowed]) {
            expect(fault).toBe(FAULT.VALID | FAULT.STAGE2 | FAULT.PERMISSION | expected.level);
            reached.add(FAULT.PERMISSION | expected.level);
          } else {
            expect(fault).toBe(0);
            expect(Number(state.get64(M.OUT_PA))).toBe(expected.pa);
            reached.add(-expected.level);
          }
        }
      }),
      { numRuns: 1500, seed: 4711 },
    );
    // The tables are random but not vacuous: pages and blocks were reached, and faults of every kind.
    for (const code of [-1, -2, -3, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f])
      expect([...reached]).toContain(code);
  });
});
