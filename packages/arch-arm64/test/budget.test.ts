/** `run` ends where its budget says, at the next taken branch or end of a page, and `retired` counts every instruction once. */
import { PeExit } from "@gunyah-ts/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DATA, Stage } from "./support/probe.ts";

const stage = new Stage();
const { pe } = stage;
const PROGRAM = DATA + 0x10_0000;
const NOP = 0xd503_201f;
const HVC = 0xd400_0002;

function start(words: readonly number[]): void {
  stage.reset();
  stage.el2.physical.write(PROGRAM, new Uint8Array(Uint32Array.from(words).buffer));
  pe.write("ELR_EL2", BigInt(PROGRAM));
  pe.write("SPSR_EL2", 0x3c5n);
}

const { physical } = stage.el2;
const readWord = (pa: number) => physical.data.getUint32(physical.offsetOf(pa), true);

describe("budget of run", () => {
  it("ends a block without branches at the end of its page at the latest", () => {
    start([...Array.from({ length: 3 * 1024 }, () => NOP), HVC]);
    const before = pe.retired;
    expect(pe.run(10)).toBe(PeExit.BUDGET);
    expect(pe.retired - before).toBeLessThanOrEqual(1024);
    expect(pe.read("ELR_EL2")).toBe(BigInt(PROGRAM + 4 * (pe.retired - before)));
    while (pe.run(10) === PeExit.BUDGET);
    expect(pe.retired - before).toBe(3 * 1024 + 1);
  });
  it("does not change what is executed, however it is cut (contract CpuBackend, run)", () => {
    // x0 turns of a loop of three blocks, one of them skipped on odd turns
    const words = [
      0x8b00_0021, // add x1, x1, x0
      0x3600_0040, // tbz w0, #0, +8
      0x9100_0442, // add x2, x2, #1
      0x9100_0463, // add x3, x3, #1
      0xf100_0400, // subs x0, x0, #1
      0x54ff_ff61, // b.ne back to the start
      HVC,
    ];
    const turns = 60;
    const expected = turns * 5 + turns / 2 + 1;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), (budgets) => {
        start(words);
        pe.x.set([BigInt(turns), 0n, 0n, 0n]);
        const before = pe.retired;
        const clock = stage.el2.clock.now();
        for (let n = 0; ; n++) {
          const budget = budgets[n % budgets.length] as number;
          const at = pe.retired;
          const exit = pe.run(budget);
          if (exit === PeExit.SYNC) break;
          expect(exit).toBe(PeExit.BUDGET);
          expect(pe.retired - at).toBeGreaterThanOrEqual(budget);
          // A branch that is not taken does not end the block: at most one whole turn is over the budget.
          expect(pe.retired - at).toBeLessThan(budget + 6);
          expect(words).toContain(readWord(Number(pe.read("ELR_EL2"))));
        }
        expect(pe.retired - before).toBe(expected);
        expect([pe.x[1], pe.x[2], pe.x[3]]).toEqual([(BigInt(turns) * BigInt(turns + 1)) / 2n, 30n, 60n]);
        // The clock moved by what was retired: 50 instructions a tick, the rest is kept.
        expect(Math.abs((stage.el2.clock.now() - clock) * 50 - expected)).toBeLessThan(50);
      }),
      { numRuns: 200 },
    );
  });
});
