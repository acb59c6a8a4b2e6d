/**
 * Every encoding as a region: cases recorded under QEMU, a few of each here, all of them with GUNYAH_JIT_VECTORS=all.
 */
import { describe, expect, it } from "vitest";
import { Flow } from "../../src/isa/description.ts";
import { DESCRIPTIONS } from "../../src/isa/index.ts";
import { FlatMachine } from "../../src/testing/flat-machine.ts";
import { Compare } from "../vectors/compare.ts";
import { loadVectors, VECTOR_FILES } from "../vectors/coverage.ts";
import { Replay } from "../vectors/replay.ts";

const EACH = process.env["GUNYAH_JIT_VECTORS"] === "all" ? 1 : 41;
/** Branches leave straight-line code: the programs of `random.test.ts` are for them. */
const branches = new Set(DESCRIPTIONS.filter(({ flow }) => flow !== Flow.NEXT).map(({ name }) => name));

describe.each(VECTOR_FILES)("recorded under QEMU, compiled: %s", { timeout: 1_800_000 }, (file) => {
  it("is what QEMU did", () => {
    const replay = new Replay(new FlatMachine(), "jit");
    const compare = new Compare(replay);
    const messages: string[] = [];
    let cases = 0;
    for (const [g, group] of loadVectors(file).entries()) {
      if (branches.has(group.name)) continue;
      for (const [i, c] of group.cases.entries()) {
        if (i % EACH !== g % EACH) continue;
        cases++;
        const message = compare.run(group.name, c);
        if (message !== undefined) messages.push(`${group.name}: ${message}`);
      }
    }
    expect(messages.slice(0, 10)).toEqual([]);
    // MRS of what has behaviour, undefined words and accesses to nowhere stay with the interpreter
    expect(replay.retiredByRegions).toBeGreaterThan(cases * 0.7);
  });
});
