import { describe, expect, it } from "vitest";
import type { Expr, I32 } from "../wasm/index.ts";
import { type AnyWord, define, type FieldValues, type Word } from "./description.ts";
import { fieldValue, matches, parsePattern } from "./pattern.ts";

describe("parsePattern", () => {
  const pattern = parsePattern("sf op S 100010 sh imm12:12 Rn:5 Rd:5");
  it("gives mask, value and fields", () => {
    expect(pattern.mask).toBe(0x1f80_0000);
    expect(pattern.value).toBe(0x1100_0000);
    expect([...pattern.fields.values()]).toContainEqual({ name: "imm12", shift: 10, width: 12 });
  });
  it("tells words apart and reads their fields", () => {
    // add x1, x2, #0x123
    expect(matches(pattern, 0x91048c41)).toBe(true);
    expect(fieldValue(pattern.fields.get("imm12")!, 0x91048c41)).toBe(0x123);
    expect(matches(pattern, 0x8b000021)).toBe(false);
  });
  it.each([
    ["sf 00", "3 bits"],
    ["sf sf 100010 sh imm12:12 Rn:5 Rd:5 0", "bad field"],
    ["imm0:0 00000000000000000000000000000000", "bad field"],
  ])("refuses %s", (text, message) => {
    expect(() => parsePattern(text)).toThrow(message);
  });
});

/** What the compiler refuses: each `@ts-expect-error` is a check of `npm run typecheck`. */
describe("types of a pattern's fields", () => {
  const common = { name: "TEST", execute: () => {}, syntax: () => "" } as const;
  const slots = (w: Word<"Rd" | "Rm">): { d: Expr<I32>; m: Expr<I32> } => ({ d: w.vSlot("Rd"), m: w.vSlot("Rm") });

  it("knows the names of fields, also of patterns with a variable part", () => {
    const opcode: string = "1010";
    const d = define({
      ...common,
      pattern: `0 Q 101110 sz 1 Rm:5 ${opcode} 000 Rn:5 Rd:5`,
      statics: { Q: "Q", wide: { count: 2, of: (w) => w.field("sz") } },
      operands: slots,
      syntax: (f) => `test ${f.Rd} ${f.sz}`,
    });
    expect(d.syntax({ Rd: 3, Rn: 0, Rm: 0, Q: 0, sz: 1 }, 0)).toBe("test 3 1");
    expect(d.statics.map(({ name, count }) => [name, count])).toEqual([
      ["Q", 2],
      ["wide", 2],
    ]);
  });
  it("refuses other names", () => {
    const refused = [
      () => define({ ...common, pattern: "0 Q 000000000000000000000000000000", statics: { sz: "Q" } }),
      // @ts-expect-error: no field size
      () => define({ ...common, pattern: "0 Q 000000000000000000000000000000", statics: { size: "size" } }),
      // @ts-expect-error: no field imm12
      () => define({ ...common, pattern: "sf 0000000000000000000000000000000", valid: (w) => w.field("imm12") }),
      // @ts-expect-error: no Rm for `slots`
      () => define({ ...common, pattern: "0000000000000000000000 Rn:5 Rd:5", operands: slots }),
      // @ts-expect-error: no field Rn
      () => define({ ...common, pattern: "000000000000000000000000000 Rd:5", syntax: (f) => `${f.Rn}` }),
      (w: AnyWord, f: FieldValues) => [slots(w), f["Rd"]],
      // @ts-expect-error: a word without Rm
      (w: Word<"Rd">) => slots(w),
    ];
    expect(refused).toHaveLength(7);
    expect(refused[1]).toThrow("no field size");
  });
});
