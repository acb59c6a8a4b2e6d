import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DESCRIPTIONS } from "../../src/isa/index.ts";
import { isTestable } from "./cases.ts";
import { Compare } from "./compare.ts";
import { loadVectors, replaceCoverage, VECTOR_FILES } from "./coverage.ts";

const compare = new Compare();

describe.each(VECTOR_FILES)("recorded under QEMU: %s", (file) => {
  for (const group of loadVectors(file))
    it(group.name, () => {
      const messages = group.cases.map((c) => compare.run(group.name, c)).filter((m) => m !== undefined);
      expect(
        messages.length === 0
          ? ""
          : `${messages.length} of ${group.cases.length} differ\n${messages.slice(0, 5).join("\n")}`,
      ).toBe("");
    });
});

describe("coverage", () => {
  it("has 50 cases of every testable encoding", () => {
    const counts = new Map(VECTOR_FILES.flatMap(loadVectors).map((g) => [g.name, g.cases.length]));
    const few = DESCRIPTIONS.filter((d) => isTestable(d) && (counts.get(d.name) ?? 0) < 50).map((d) => d.name);
    expect(few).toEqual([]);
  });
  it("is what the README says", () => {
    const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
    expect(replaceCoverage(readme)).toBe(readme);
  });
});
