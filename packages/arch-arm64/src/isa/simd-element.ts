/**
 * Advanced SIMD vector x indexed element and scalar x indexed element.
 *
 * Source: DDI 0487 K.a C4.1.96 (vector x indexed element, scalar x indexed element).
 */

import { L } from "../state/layout.ts";
import {
  add,
  and,
  type Expr,
  type I32,
  type I64,
  i32,
  load,
  ltU,
  or,
  select,
  shl,
  toI32,
  type V128,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { fp } from "./fp-helpers.ts";
import { arrangement, lane, laneAt, op, sreg, vreg, width, writeLanes, writeVector } from "./simd-lanes.ts";
import {
  doublingLongScalar,
  readHalf,
  saturatingAccumulate,
  saturatingDouble,
  widenMultiply,
} from "./simd-three-different.ts";
import { dotProduct, doublingMultiplyHigh } from "./simd-three-same.ts";

const HEAD = (U: number, opcode: string) => `0 Q ${U} 01111 size:2 L M Rm:4 ${opcode} H 0 Rn:5 Rd:5` as const;
const SCALAR_HEAD = (U: number, opcode: string) => `01 ${U} 11111 size:2 L M Rm:4 ${opcode} H 0 Rn:5 Rd:5` as const;

/**
 * Halfwords (size 1, or 0 for half precision): index H:L:M, register of four bits. Words: H:L. Doublewords: H. The record
 * holds the byte offset.
 */
function elementOperands(w: Word<"size" | "M" | "Rm" | "H" | "L" | "Rd" | "Rn">): {
  d: Expr<I32>;
  n: Expr<I32>;
  m: Expr<I32>;
  imm: Expr<I32>;
} {
  const halfword = w.temp(ltU(w.field("size"), 2));
  const M = w.field("M");
  const number = or(w.field("Rm"), select(halfword, i32(0), shl(M, 4)));
  const offset = or(or(shl(w.field("H"), 3), shl(w.field("L"), 2)), select(halfword, shl(M, 1), 0));
  return { d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: add(shl(number, 4), L.V), imm: offset };
}

function element(f: FieldValues<"size" | "H" | "L" | "M" | "Rm">): {
  readonly register: number;
  readonly index: number;
} {
  const size = f.size;
  const [h, l, m] = [f.H, f.L, f.M];
  if (size < 2) return { register: f.Rm, index: (h << 2) | (l << 1) | m };
  return { register: (m << 4) | f.Rm, index: size === 3 ? h : (h << 1) | l };
}
const elementText = (f: FieldValues<"size" | "H" | "L" | "M" | "Rm">, letter = "hhsd"[f.size]) =>
  `v${element(f).register}.${letter}[${element(f).index}]`;

const splat = (size: number, value: Expr<I64>): Expr<V128> => op("splat", size, size === 3 ? value : toI32(value));

// ------------------------------------------------------------------------------------------------ integer, same size

const same = (
  [
    ["mla", 1, "0000", (c, a, b, size) => op("add", size, c.v("d"), op("mul", size, a, b))],
    ["mls", 1, "0100", (c, a, b, size) => op("sub", size, c.v("d"), op("mul", size, a, b))],
    ["mul", 0, "1000", (_c, a, b, size) => op("mul", size, a, b)],
  ] as [string, number, string, (c: Context, a: Expr<V128>, b: Expr<V128>, size: number) => Expr<V128>][]
).map(([mnemonic, U, opcode, run]) =>
  define({
    name: `${mnemonic.toUpperCase()} (by element)`,
    pattern: HEAD(U, opcode),
    statics: { Q: "Q", size: "size" },
    allocated: ({ size }) => size === 1 || size === 2,
    operands: elementOperands,
    fp: true,
    execute: (c, { Q, size }) =>
      writeVector(c, "d", width(Q), run(c, c.v("n"), splat(size, laneAt(c, "m", size, c.imm())), size)),
    syntax: (f) =>
      `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, f.size))}, ${vreg(f.Rn, arrangement(f.Q, f.size))}, ${elementText(f)}`,
  }),
);

/** SQDMULH, SQRDMULH, SQRDMLAH, SQRDMLSH: vector and scalar. */
const HIGH = [
  ["sqdmulh", 0, "1100", false, 0],
  ["sqrdmulh", 0, "1101", true, 0],
  ["sqrdmlah", 1, "1101", true, 1],
  ["sqrdmlsh", 1, "1111", true, -1],
] as const;
const high = HIGH.flatMap(([mnemonic, U, opcode, rounding, accumulate]) =>
  [false, true].map((scalar) =>
    define({
      name: `${mnemonic.toUpperCase()} (by element${scalar ? ", scalar" : ""})`,
      pattern: scalar ? SCALAR_HEAD(U, opcode) : HEAD(U, opcode),
      statics: { Q: scalar ? { count: 1, of: () => i32(0) } : "Q", size: "size" },
      allocated: ({ size }) => size === 1 || size === 2,
      ...(accumulate === 0 ? {} : { feature: "FEAT_RDM" }),
      operands: elementOperands,
      fp: true,
      execute: (c, { Q, size }) => {
        const b = laneAt(c, "m", size, c.imm(), true);
        writeLanes(c, "d", scalar ? 8 << size : width(Q), size, (i) =>
          doublingMultiplyHigh(
            c,
            size,
            rounding,
            lane(c, "n", size, i, true),
            b,
            accumulate === 0 ? undefined : lane(c, "d", size, i, true),
            accumulate < 0,
          ),
        );
      },
      syntax: (f) => {
        const name = (n: number) => (scalar ? sreg(f.size, n) : vreg(n, arrangement(f.Q, f.size)));
        return `${mnemonic} ${name(f.Rd)}, ${name(f.Rn)}, ${elementText(f)}`;
      },
    }),
  ),
);

// ------------------------------------------------------------------------------------------------------ integer, long

const LONG = [
  ["smlal", 0, "0010", 1, true],
  ["umlal", 1, "0010", 1, false],
  ["smlsl", 0, "0110", -1, true],
  ["umlsl", 1, "0110", -1, false],
  ["smull", 0, "1010", 0, true],
  ["umull", 1, "1010", 0, false],
] as const;
const long = LONG.map(([mnemonic, U, opcode, accumulate, signed]) =>
  define({
    name: `${mnemonic.toUpperCase()} (by element)`,
    pattern: HEAD(U, opcode),
    statics: { Q: "Q", size: "size" },
    allocated: ({ size }) => size === 1 || size === 2,
    operands: elementOperands,
    fp: true,
    execute: (c, { Q, size }) => {
      const product = widenMultiply(signed, readHalf(c, "n", Q), splat(size, laneAt(c, "m", size, c.imm())), size);
      c.setV("d", accumulate === 0 ? product : op(accumulate > 0 ? "add" : "sub", size + 1, c.v("d"), product));
    },
    syntax: (f) =>
      `${mnemonic}${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(1, f.size + 1))}, ${vreg(f.Rn, arrangement(f.Q, f.size))}, ${elementText(f)}`,
  }),
);
const DOUBLING = [
  ["sqdmlal", "0011", 1],
  ["sqdmlsl", "0111", -1],
  ["sqdmull", "1011", 0],
] as const;
const doubling = DOUBLING.flatMap(([mnemonic, opcode, accumulate]) => [
  define({
    name: `${mnemonic.toUpperCase()} (by element)`,
    pattern: HEAD(0, opcode),
    statics: { Q: "Q", size: "size" },
    allocated: ({ size }) => size === 1 || size === 2,
    operands: elementOperands,
    fp: true,
    execute: (c, { Q, size }) => {
      const product = c.temp(
        widenMultiply(true, readHalf(c, "n", Q), splat(size, laneAt(c, "m", size, c.imm())), size),
      );
      const doubled = c.temp(saturatingDouble(c, product, size + 1));
      c.setV(
        "d",
        accumulate === 0 ? doubled : saturatingAccumulate(c, c.temp(c.v("d")), doubled, size + 1, accumulate < 0),
      );
    },
    syntax: (f) =>
      `${mnemonic}${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(1, f.size + 1))}, ${vreg(f.Rn, arrangement(f.Q, f.size))}, ${elementText(f)}`,
  }),
  define({
    name: `${mnemonic.toUpperCase()} (by element, scalar)`,
    pattern: SCALAR_HEAD(0, opcode),
    statics: { size: "size" },
    allocated: ({ size }) => size === 1 || size === 2,
    operands: elementOperands,
    fp: true,
    execute: (c, { size }) => {
      const r = doublingLongScalar(
        c,
        lane(c, "n", size, 0, true),
        laneAt(c, "m", size, c.imm(), true),
        size,
        accumulate,
        () => lane(c, "d", size + 1, 0, true),
      );
      c.setVLow("d", size === 1 ? and(r, 0xffff_ffff) : r);
    },
    syntax: (f) => `${mnemonic} ${sreg(f.size + 1, f.Rd)}, ${sreg(f.size, f.Rn)}, ${elementText(f)}`,
  }),
]);

const dot = [0, 1].map((U) =>
  define({
    name: `${U ? "UDOT" : "SDOT"} (by element)`,
    feature: "FEAT_DotProd",
    pattern: `0 Q ${U} 01111 10 L M Rm:4 1110 H 0 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: (w) => ({
      d: w.vSlot("Rd"),
      n: w.vSlot("Rn"),
      m: add(shl(or(w.field("Rm"), shl(w.field("M"), 4)), 4), L.V),
      imm: add(shl(w.field("H"), 3), shl(w.field("L"), 2)),
    }),
    fp: true,
    execute: (c, { Q }) => {
      const b = c.temp(op("splat", 2, load("i32", add(c.vAddress("m"), c.imm()))));
      writeVector(c, "d", width(Q), dotProduct(c, U === 0, c.temp(c.v("n")), b, c.v("d")));
    },
    syntax: (f) =>
      `${U ? "udot" : "sdot"} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 0))}, v${(f.M << 4) | f.Rm}.4b[${f.H * 2 + f.L}]`,
  }),
);

// ----------------------------------------------------------------------------------------------------- floating point

const FP = [
  ["fmla", 0, "0001"],
  ["fmls", 0, "0101"],
  ["fmul", 0, "1001"],
  ["fmulx", 1, "1001"],
] as const;
const floating = FP.flatMap(([mnemonic, U, opcode]) => {
  const run = (c: Context, size: number, i: number, b: Expr<I64>): Expr<I64> => {
    const a = lane(c, "n", size, i);
    if (mnemonic === "fmul") return fp.binary(c, "mul", size, a, b);
    if (mnemonic === "fmulx") return fp.binary(c, "mulx", size, a, b);
    return fp.fma(c, size, lane(c, "d", size, i), mnemonic === "fmls" ? fp.neg(size, a) : a, b);
  };
  /** The size field: 0 half, 2 single, 3 double. */
  const elementSize = (size: number) => (size === 0 ? 1 : size);
  return [false, true].map((scalar) =>
    define({
      name: `${mnemonic.toUpperCase()} (by element${scalar ? ", scalar" : ""})`,
      feature: ({ size }) => (size === 0 ? "FEAT_FP16" : undefined),
      pattern: scalar ? SCALAR_HEAD(U, opcode) : HEAD(U, opcode),
      statics: { Q: scalar ? { count: 1, of: () => i32(0) } : "Q", size: "size", L: "L" },
      allocated: ({ Q, size, L: low }) => size === 0 || size === 2 || (size === 3 && low === 0 && (scalar || Q === 1)),
      operands: elementOperands,
      fp: true,
      execute: (c, statics) => {
        const size = elementSize(statics.size);
        const b = laneAt(c, "m", size, c.imm());
        writeLanes(c, "d", scalar ? 8 << size : width(statics.Q), size, (i) => run(c, size, i, b));
      },
      syntax: (f) => {
        const size = elementSize(f.size);
        const name = (n: number) => (scalar ? sreg(size, n) : vreg(n, arrangement(f.Q, size)));
        return `${mnemonic} ${name(f.Rd)}, ${name(f.Rn)}, ${elementText(f)}`;
      },
    }),
  );
});

export const SIMD_ELEMENT: readonly Description[] = [...same, ...high, ...long, ...doubling, ...dot, ...floating];
