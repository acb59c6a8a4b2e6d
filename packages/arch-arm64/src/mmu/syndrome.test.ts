import { beforeAll, describe, expect, it } from "vitest";
import { ModuleBuilder } from "../wasm/index.ts";
import { defineElementShift, defineInstructionSyndrome } from "./syndrome.ts";

type OfWord = (word: number) => number;
let syndromeOf: OfWord;
let elementShiftOf: OfWord;
beforeAll(() => {
  const module = new ModuleBuilder();
  module.export("syndrome", defineInstructionSyndrome(module));
  module.export("element", defineElementShift(module));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()));
  [syndromeOf, elementShiftOf] = [exports["syndrome"] as OfWord, exports["element"] as OfWord];
});

/** ISV 24, SAS 23:22, SSE 21, SRT 20:16, SF 15, AR 14. */
const iss = (sas: number, sse: number, srt: number, sf: number, ar = 0) =>
  (1 << 24) | (sas << 22) | (sse << 21) | (srt << 16) | (sf << 15) | (ar << 14);

describe("the syndrome of an access", () => {
  it.each([
    ["ldr x5, [x1]", 0xf9400025, iss(3, 0, 5, 1)],
    ["str w5, [x1, #4]", 0xb9000425, iss(2, 0, 5, 0)],
    ["ldrsb x7, [x1]", 0x39800027, iss(0, 1, 7, 1)],
    ["ldrsb w7, [x1]", 0x39c00027, iss(0, 1, 7, 0)],
    ["ldrsw x7, [x1]", 0xb9800027, iss(2, 1, 7, 1)],
    ["ldurh w3, [x1, #-2]", 0x785fe023, iss(1, 0, 3, 0)],
    ["ldtr x3, [x1]", 0xf8400823, iss(3, 0, 3, 1)],
    ["str xzr, [x1, x2]", 0xf822683f, iss(3, 0, 31, 1)],
    ["ldr x2, .", 0x58000002, iss(3, 0, 2, 1)],
    ["ldrsw x2, .", 0x98000002, iss(2, 1, 2, 1)],
    ["ldar w4, [x1]", 0x88dffc24, iss(2, 0, 4, 0, 1)],
    ["stlrb w4, [x1]", 0x089ffc24, iss(0, 0, 4, 0, 1)],
    ["ldapr x4, [x1]", 0xf8bfc024, iss(3, 0, 4, 1, 1)],
  ])("%s", (_text, word, expected) => {
    expect(syndromeOf(word)).toBe(expected);
  });
  it.each([
    ["ldr x5, [x1], #8 (writeback)", 0xf8408425],
    ["str x5, [x1, #8]! (writeback)", 0xf8008c25],
    ["ldp x5, x6, [x1]", 0xa9401825],
    ["ldr q5, [x1]", 0x3dc00025],
    ["ldxr x5, [x1]", 0xc85f7c25],
    ["ldadd x2, x5, [x1]", 0xf8220025],
    ["ld1 {v5.16b}, [x1]", 0x4c407025],
  ])("%s has none", (_text, word) => {
    expect(syndromeOf(word)).toBe(0);
  });
});

describe("the size of an element", () => {
  it.each([
    ["ldrb w5, [x1]", 0x39400025, 0],
    ["ldr x5, [x1]", 0xf9400025, 3],
    ["ldr b5, [x1]", 0x3d400025, 0],
    ["ldr q5, [x1]", 0x3dc00025, 4],
    ["ldadd w2, w5, [x1]", 0xb8220025, 2],
    ["ldp w5, w6, [x1]", 0x29401825, 2],
    ["ldpsw x5, x6, [x1]", 0x69401825, 2],
    ["ldp x5, x6, [x1]", 0xa9401825, 3],
    ["ldp s5, s6, [x1]", 0x2d401825, 2],
    ["ldp q5, q6, [x1]", 0xad401825, 4],
    ["ldr w5, .", 0x18000005, 2],
    ["ldr x5, .", 0x58000005, 3],
    ["ldrsw x5, .", 0x98000005, 2],
    ["ldr q5, .", 0x9c000005, 4],
    ["ldxrh w5, [x1]", 0x485f7c25, 1],
    ["ldxp x5, x6, [x1]", 0xc87f1825, 3],
    ["ld1 {v5.16b}, [x1]", 0x4c407025, 0],
    ["ld4 {v5.2d-v8.2d}, [x1]", 0x4c400c25, 3],
    ["ld1 {v5.b}[1], [x1]", 0x0d400425, 0],
    ["ld1 {v5.h}[1], [x1]", 0x0d404825, 1],
    ["ld1 {v5.s}[1], [x1]", 0x0d409025, 2],
    ["ld1 {v5.d}[1], [x1]", 0x4d408425, 3],
    ["ld1r {v5.4s}, [x1]", 0x4d40c825, 2],
  ])("%s", (_text, word, expected) => {
    expect(elementShiftOf(word)).toBe(expected);
  });
});
