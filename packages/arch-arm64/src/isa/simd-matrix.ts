/**
 * Dot products and 2x2 matrix products of narrow elements: FEAT_I8MM (bytes of either sign) and FEAT_BF16 (BFloat16 to
 * single), and the widening multiply-accumulates of BFloat16 and half precision (FEAT_FHM).
 *
 * Source: DDI 0487 K.a C4.1.96 (three-register extension, three same, vector by element); pseudocode MatMulAdd,
 * BFMatMulAdd, FPMulAddH.
 */
import { L } from "../state/layout.ts";
import { add, type Expr, type I32, type I64, load, or, shl, simd, toI32, toI64U, type V128 } from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type Word } from "./description.ts";
import { fp } from "./fp-helpers.ts";
import { arrangement, lane, laneAt, op, standardSlots, vreg, width, writeLanes, writeVector } from "./simd-lanes.ts";
import { pairs } from "./simd-three-same.ts";

type Vector = Expr<V128>;
type Sign = "s" | "u";
/** Registers of an element operand: M:Rm, and the byte offset of word H:L in it. */
const wordElement = (w: Word<"Rd" | "Rn" | "Rm" | "M" | "H" | "L">) => ({
  d: w.vSlot("Rd"),
  n: w.vSlot("Rn"),
  m: add(shl(or(w.field("Rm"), shl(w.field("M"), 4)), 4), L.V),
  imm: add(shl(w.field("H"), 3), shl(w.field("L"), 2)),
});
/** The same for halfword H:L:M of a register of four bits. */
const halfElement = (w: Word<"Rd" | "Rn" | "Rm" | "M" | "H" | "L">) => ({
  d: w.vSlot("Rd"),
  n: w.vSlot("Rn"),
  m: add(shl(w.field("Rm"), 4), L.V),
  imm: add(shl(w.field("H"), 3), add(shl(w.field("L"), 2), shl(w.field("M"), 1))),
});
const wordIndex = (f: { readonly H: number; readonly L: number }) => 2 * f.H + f.L;
const halfIndex = (f: { readonly H: number; readonly L: number; readonly M: number }) => 4 * f.H + 2 * f.L + f.M;

// ------------------------------------------------------------------------------------------------------------ bytes

/** Sums of two neighbours' products: of eight bytes, four words. */
const products = (half: "low" | "high", signA: Sign, signB: Sign, a: Vector, b: Vector, halfB = half): Vector =>
  simd(
    "i32x4.dot_i16x8_s",
    simd(`i16x8.extend_${half}_i8x16_${signA}`, a),
    simd(`i16x8.extend_${halfB}_i8x16_${signB}`, b),
  );
/** Each two neighbouring words added: first of a, then of b. */
function addPairs(c: Context, a: Vector, b: Vector): Vector {
  const [even, odd] = pairs(c.temp(a), c.temp(b), 2, 128);
  return op("add", 2, even, odd);
}

/** SMMLA, UMMLA, USMMLA: rows of eight bytes. */
const byteMatrix = (
  [
    ["smmla", 0, "0100", "s", "s"],
    ["ummla", 1, "0100", "u", "u"],
    ["usmmla", 0, "0101", "u", "s"],
  ] as const
).map(([mnemonic, U, opcode, signN, signM]) =>
  define({
    name: mnemonic.toUpperCase(),
    feature: "FEAT_I8MM",
    pattern: `0 1 ${U} 01110 10 0 Rm:5 1 ${opcode} 1 Rn:5 Rd:5`,
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const [n, m] = [c.temp(c.v("n")), c.temp(c.v("m"))];
      const row = (half: "low" | "high") =>
        addPairs(c, products(half, signN, signM, n, m, "low"), products(half, signN, signM, n, m, "high"));
      c.setV("d", op("add", 2, c.v("d"), addPairs(c, row("low"), row("high"))));
    },
    syntax: (f) => `${mnemonic} v${f.Rd}.4s, v${f.Rn}.16b, v${f.Rm}.16b`,
  }),
);

const mixedDot = (c: Context, signN: Sign, signM: Sign, n: Vector, m: Vector): Vector =>
  op("add", 2, c.v("d"), addPairs(c, products("low", signN, signM, n, m), products("high", signN, signM, n, m)));
const usdot = define({
  name: "USDOT (vector)",
  feature: "FEAT_I8MM",
  pattern: "0 Q 0 01110 10 0 Rm:5 1 0011 1 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: standardSlots,
  fp: true,
  execute: (c, { Q }) => writeVector(c, "d", width(Q), mixedDot(c, "u", "s", c.temp(c.v("n")), c.temp(c.v("m")))),
  syntax: (f) =>
    `usdot ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 0))}, ${vreg(f.Rm, arrangement(f.Q, 0))}`,
});
const dotByElement = (["sudot", "usdot"] as const).map((mnemonic, us) =>
  define({
    name: `${mnemonic.toUpperCase()} (by element)`,
    feature: "FEAT_I8MM",
    pattern: `0 Q 0 01111 ${us}0 L M Rm:4 1111 H 0 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: wordElement,
    fp: true,
    execute: (c, { Q }) => {
      const m = c.temp(op("splat", 2, load("i32", add(c.vAddress("m"), c.imm()))));
      const n = c.temp(c.v("n"));
      writeVector(c, "d", width(Q), us ? mixedDot(c, "u", "s", n, m) : mixedDot(c, "s", "u", n, m));
    },
    syntax: (f) =>
      `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 0))}, v${16 * f.M + f.Rm}.4b[${wordIndex(f)}]`,
  }),
);

// --------------------------------------------------------------------------------------------------------- BFloat16

/** A word element of a register: a single, or a pair of BFloat16. */
const word = (c: Context, slot: "d" | "n" | "m", index: number): Expr<I32> => toI32(lane(c, slot, 2, index));

const bfDot = define({
  name: "BFDOT (vector)",
  feature: "FEAT_BF16",
  pattern: "0 Q 1 01110 01 0 Rm:5 1 1111 1 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: standardSlots,
  fp: true,
  execute: (c, { Q }) =>
    writeLanes(c, "d", width(Q), 2, (i) => toI64U(fp.bfDotAdd(c, word(c, "d", i), word(c, "n", i), word(c, "m", i)))),
  syntax: (f) =>
    `bfdot ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 1))}, ${vreg(f.Rm, arrangement(f.Q, 1))}`,
});
const bfDotByElement = define({
  name: "BFDOT (by element)",
  feature: "FEAT_BF16",
  pattern: "0 Q 0 01111 01 L M Rm:4 1111 H 0 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: wordElement,
  fp: true,
  execute: (c, { Q }) => {
    const m = c.temp(toI32(laneAt(c, "m", 2, c.imm())));
    writeLanes(c, "d", width(Q), 2, (i) => toI64U(fp.bfDotAdd(c, word(c, "d", i), word(c, "n", i), m)));
  },
  syntax: (f) =>
    `bfdot ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 1))}, v${16 * f.M + f.Rm}.2h[${wordIndex(f)}]`,
});
/** Rows of four BFloat16: two dot products of pairs, one after the other. */
const bfMatrix = define({
  name: "BFMMLA",
  feature: "FEAT_BF16",
  pattern: "0 1 1 01110 01 0 Rm:5 1 1101 1 Rn:5 Rd:5",
  operands: standardSlots,
  fp: true,
  execute: (c) =>
    writeLanes(c, "d", 128, 2, (at) => {
      const [i, j] = [at >> 1, at & 1];
      const first = c.temp(fp.bfDotAdd(c, word(c, "d", at), word(c, "n", 2 * i), word(c, "m", 2 * j)));
      return toI64U(fp.bfDotAdd(c, first, word(c, "n", 2 * i + 1), word(c, "m", 2 * j + 1)));
    }),
  syntax: (f) => `bfmmla v${f.Rd}.4s, v${f.Rn}.8h, v${f.Rm}.8h`,
});

/** A BFloat16 is the upper half of a single. */
const widenBfloat = (a: Expr<I64>): Expr<I64> => shl(a, 16);
/** BFMLALB, BFMLALT: the even or odd elements; rounded as FPCR says, unlike the dot products. */
const bfMultiplyLong = define({
  name: "BFMLALB/BFMLALT (vector)",
  feature: "FEAT_BF16",
  pattern: "0 Q 1 01110 11 0 Rm:5 1 1111 1 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: standardSlots,
  fp: true,
  execute: (c, { Q }) =>
    writeLanes(c, "d", 128, 2, (i) =>
      fp.fma(
        c,
        2,
        lane(c, "d", 2, i),
        widenBfloat(lane(c, "n", 1, 2 * i + Q)),
        widenBfloat(lane(c, "m", 1, 2 * i + Q)),
      ),
    ),
  syntax: (f) => `bfmlal${f.Q ? "t" : "b"} v${f.Rd}.4s, v${f.Rn}.8h, v${f.Rm}.8h`,
});
const bfMultiplyLongByElement = define({
  name: "BFMLALB/BFMLALT (by element)",
  feature: "FEAT_BF16",
  pattern: "0 Q 0 01111 11 L M Rm:4 1111 H 0 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: halfElement,
  fp: true,
  execute: (c, { Q }) => {
    const m = c.temp(widenBfloat(laneAt(c, "m", 1, c.imm())));
    writeLanes(c, "d", 128, 2, (i) => fp.fma(c, 2, lane(c, "d", 2, i), widenBfloat(lane(c, "n", 1, 2 * i + Q)), m));
  },
  syntax: (f) => `bfmlal${f.Q ? "t" : "b"} v${f.Rd}.4s, v${f.Rn}.8h, v${f.Rm}.h[${halfIndex(f)}]`,
});

// --------------------------------------------------------------------------------------------------- half precision

/** FMLAL and FMLSL take the lower half of the elements, FMLAL2 and FMLSL2 the upper. */
const halfMultiplyLong = [0, 1].flatMap((upper) =>
  [0, 1].flatMap((subtract) => {
    const mnemonic = `fml${subtract ? "s" : "a"}l${upper ? "2" : ""}`;
    const element = (c: Context, Q: number, i: number) => {
      const n = lane(c, "n", 1, i + (upper ? (Q ? 4 : 2) : 0));
      return fp.widenHalf(c, subtract ? fp.neg(1, n) : n);
    };
    return [
      define({
        name: `${mnemonic.toUpperCase()} (vector)`,
        feature: "FEAT_FHM",
        pattern: `0 Q ${upper} 01110 ${subtract}0 1 Rm:5 11${upper ? "0" : "1"}01 1 Rn:5 Rd:5`,
        statics: { Q: "Q" },
        operands: standardSlots,
        fp: true,
        execute: (c, { Q }) =>
          writeLanes(c, "d", width(Q), 2, (i) =>
            fp.fma(
              c,
              2,
              lane(c, "d", 2, i),
              element(c, Q, i),
              fp.widenHalf(c, lane(c, "m", 1, i + (upper ? (Q ? 4 : 2) : 0))),
            ),
          ),
        syntax: (f) => {
          const t = f.Q ? "4h" : "2h";
          return `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}`;
        },
      }),
      define({
        name: `${mnemonic.toUpperCase()} (by element)`,
        feature: "FEAT_FHM",
        pattern: `0 Q ${upper} 01111 10 L M Rm:4 ${upper}${subtract}00 H 0 Rn:5 Rd:5`,
        statics: { Q: "Q" },
        operands: halfElement,
        fp: true,
        execute: (c, { Q }) => {
          const m = c.temp(fp.widenHalf(c, laneAt(c, "m", 1, c.imm())));
          writeLanes(c, "d", width(Q), 2, (i) => fp.fma(c, 2, lane(c, "d", 2, i), element(c, Q, i), m));
        },
        syntax: (f) =>
          `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, f.Q ? "4h" : "2h")}, v${f.Rm}.h[${halfIndex(f)}]`,
      }),
    ];
  }),
);

export const SIMD_MATRIX: readonly Description[] = [
  ...byteMatrix,
  usdot,
  ...dotByElement,
  bfDot,
  bfDotByElement,
  bfMatrix,
  bfMultiplyLong,
  bfMultiplyLongByElement,
  ...halfMultiplyLong,
];
