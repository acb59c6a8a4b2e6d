import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DESCRIPTIONS } from "../../src/isa/index.ts";
import { fieldValue } from "../../src/isa/pattern.ts";
import { describe as decode, isTestable } from "./cases.ts";
import { applyChanges, decodeGroups, describeDifferences, prepare, type VectorGroup } from "./format.ts";
import { Replay } from "./replay.ts";
import { CODE_ENTRY, FIELD } from "./state.ts";

const load = (file: string): VectorGroup[] => decodeGroups(inflateRawSync(readFileSync(join(import.meta.dirname, `${file}.bin`))));
const replay = new Replay();
const state = new DataView(new ArrayBuffer(FIELD.BYTES));
const expected = new DataView(new ArrayBuffer(FIELD.BYTES));

/** Run one group; gives a message for each case that differs. */
function failures(group: VectorGroup): string[] {
  const messages: string[] = [];
  for (const c of group.cases) {
    const word = c.words[0] as number;
    const description = decode(DESCRIPTIONS, word);
    prepare(state, group.name, c);
    prepare(expected, group.name, c);
    applyChanges(expected, c);
    const undefinedHere = replay.run(state, c.words.length === 1 ? description : undefined);
    const differences = describeDifferences(state, expected);
    if (undefinedHere === c.undefined && (c.undefined || differences.length === 0)) continue;
    const fields = description && Object.fromEntries([...description.pattern.fields].map(([name, field]) => [name, fieldValue(field, word)]));
    const text = description?.syntax(fields ?? {}, CODE_ENTRY);
    const fpcr = expected.getUint32(FIELD.FPCR, true).toString(16);
    messages.push(`${word.toString(16).padStart(8, "0")} ${text} (case ${c.index}, FPCR ${fpcr})${undefinedHere ? " UNDEFINED" : ""}: ${differences.slice(0, 4).join("; ")}`);
  }
  return messages;
}

describe.each(["integer", "simd", "fp", "sequences"])("recorded under QEMU: %s", (file) => {
  for (const group of load(file))
    it(group.name, () => {
      const messages = failures(group);
      expect(messages.length === 0 ? "" : `${messages.length} of ${group.cases.length} differ\n${messages.slice(0, 5).join("\n")}`).toBe("");
    });
});

describe("coverage", () => {
  it("has 50 cases of every testable encoding", () => {
    const counts = new Map(["integer", "simd", "fp"].flatMap(load).map((g) => [g.name, g.cases.length]));
    const few = DESCRIPTIONS.filter((d) => isTestable(d) && (counts.get(d.name) ?? 0) < 50).map((d) => d.name);
    expect(few).toEqual([]);
  });
});
