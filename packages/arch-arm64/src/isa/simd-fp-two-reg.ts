/**
 * Advanced SIMD floating point with one source: two-register miscellaneous, and conversions with a fixed-point immediate, of
 * half, single and double precision.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD two-register miscellaneous, (FP16), shift by immediate).
 */
import {
  add,
  clz,
  type Expr,
  eqz,
  type I32,
  type I64,
  i32,
  i64,
  select,
  shl,
  shrS,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { fp, fpcrRounding } from "./fp-helpers.ts";
import {
  arrangement,
  buildVector,
  form,
  lane,
  sreg,
  unarySlots,
  vreg,
  width,
  writeHalf,
  writeLanes,
} from "./simd-lanes.ts";

/** Single is 0, double 1 in the encoding; elements of size 2 and 3. */
const sizeOf = (f: FieldValues<"sz">) => 2 + f.sz;

type Unary = (c: Context, size: number, a: Expr<I64>) => Expr<I64>;
interface TwoRegFp {
  readonly mnemonic: string;
  readonly U: number;
  readonly a: number;
  readonly opcode: string;
  /** "only": the scalar form alone. */
  readonly scalar?: true | "only";
  readonly suffix?: string;
  readonly run: Unary;
}
const zero = () => i64(0);
const toInteger =
  (rounding: number, unsigned: boolean): Unary =>
  (c, size, a) =>
    fp.toFixed(c, size, bitsOf(size), unsigned, a, i32(0), i32(rounding));
const fromInteger =
  (unsigned: boolean): Unary =>
  (c, size, a) =>
    fp.fromFixed(c, size, unsigned, integer(size, unsigned, a), i32(0));
const bitsOf = (size: number) => (8 << size) as 16 | 32 | 64;
/** An element as an integer of 64 bits. */
const integer = (size: number, unsigned: boolean, a: Expr<I64>) =>
  size === 3 || unsigned ? a : shrS(shl(a, 64 - bitsOf(size)), 64 - bitsOf(size));
const roundTo =
  (rounding: number): Unary =>
  (c, size, a) =>
    fp.roundInt(c, size, a, i32(rounding), false);

/** FPRounding of the second letter of FCVTxS and FRINTx. */
const ROUNDING = { n: 0, p: 1, m: 2, z: 3, a: 4 } as const;
const CONVERSIONS = (
  [
    ["n", 0, "11010"],
    ["p", 1, "11010"],
    ["m", 0, "11011"],
    ["z", 1, "11011"],
    ["a", 0, "11100"],
  ] as const
).flatMap(([letter, a, opcode]) =>
  [0, 1].map(
    (U): TwoRegFp => ({
      mnemonic: `fcvt${letter}${U ? "u" : "s"}`,
      U,
      a,
      opcode,
      scalar: true,
      run: toInteger(ROUNDING[letter], U === 1),
    }),
  ),
);
const TWO_REG: readonly TwoRegFp[] = [
  {
    mnemonic: "fcmgt",
    U: 0,
    a: 1,
    opcode: "01100",
    scalar: true,
    suffix: ", #0.0",
    run: (c, size, a) => fp.mask(c, "gt", size, a, zero()),
  },
  {
    mnemonic: "fcmge",
    U: 1,
    a: 1,
    opcode: "01100",
    scalar: true,
    suffix: ", #0.0",
    run: (c, size, a) => fp.mask(c, "ge", size, a, zero()),
  },
  {
    mnemonic: "fcmeq",
    U: 0,
    a: 1,
    opcode: "01101",
    scalar: true,
    suffix: ", #0.0",
    run: (c, size, a) => fp.mask(c, "eq", size, a, zero()),
  },
  {
    mnemonic: "fcmle",
    U: 1,
    a: 1,
    opcode: "01101",
    scalar: true,
    suffix: ", #0.0",
    run: (c, size, a) => fp.mask(c, "ge", size, zero(), a),
  },
  {
    mnemonic: "fcmlt",
    U: 0,
    a: 1,
    opcode: "01110",
    scalar: true,
    suffix: ", #0.0",
    run: (c, size, a) => fp.mask(c, "gt", size, zero(), a),
  },
  { mnemonic: "fabs", U: 0, a: 1, opcode: "01111", run: (_c, size, a) => fp.abs(size, a) },
  { mnemonic: "fneg", U: 1, a: 1, opcode: "01111", run: (_c, size, a) => fp.neg(size, a) },
  { mnemonic: "frintn", U: 0, a: 0, opcode: "11000", run: roundTo(ROUNDING.n) },
  { mnemonic: "frintp", U: 0, a: 1, opcode: "11000", run: roundTo(ROUNDING.p) },
  { mnemonic: "frinta", U: 1, a: 0, opcode: "11000", run: roundTo(ROUNDING.a) },
  { mnemonic: "frintm", U: 0, a: 0, opcode: "11001", run: roundTo(ROUNDING.m) },
  { mnemonic: "frintz", U: 0, a: 1, opcode: "11001", run: roundTo(ROUNDING.z) },
  {
    mnemonic: "frintx",
    U: 1,
    a: 0,
    opcode: "11001",
    run: (c, size, a) => fp.roundInt(c, size, a, fpcrRounding(c), true),
  },
  {
    mnemonic: "frinti",
    U: 1,
    a: 1,
    opcode: "11001",
    run: (c, size, a) => fp.roundInt(c, size, a, fpcrRounding(c), false),
  },
  ...CONVERSIONS,
  { mnemonic: "scvtf", U: 0, a: 0, opcode: "11101", scalar: true, run: fromInteger(false) },
  { mnemonic: "ucvtf", U: 1, a: 0, opcode: "11101", scalar: true, run: fromInteger(true) },
  {
    mnemonic: "frecpe",
    U: 0,
    a: 1,
    opcode: "11101",
    scalar: true,
    run: (c, size, a) => fp.estimate(c, "recip", size, a),
  },
  {
    mnemonic: "frsqrte",
    U: 1,
    a: 1,
    opcode: "11101",
    scalar: true,
    run: (c, size, a) => fp.estimate(c, "rsqrt", size, a),
  },
  {
    mnemonic: "frecpx",
    U: 0,
    a: 1,
    opcode: "11111",
    scalar: "only",
    run: (c, size, a) => fp.estimate(c, "recpx", size, a),
  },
  { mnemonic: "fsqrt", U: 1, a: 1, opcode: "11111", run: (c, size, a) => fp.sqrt(c, size, a) },
];
const twoReg = TWO_REG.flatMap(({ mnemonic, U, a, opcode, scalar, suffix = "", run }) =>
  [false, true].flatMap((half) => {
    const { sz, sizeOf, title, feature } = form(half);
    const kind = suffix === "" ? "" : "zero, ";
    const list: Description[] = [];
    if (scalar !== "only")
      list.push(
        define({
          name: `${mnemonic.toUpperCase()} (${kind}vector${title})`,
          ...feature,
          pattern: half
            ? `0 Q ${U} 01110 ${a} 111100 ${opcode} 10 Rn:5 Rd:5`
            : `0 Q ${U} 01110 ${a} sz 10000 ${opcode} 10 Rn:5 Rd:5`,
          statics: { Q: "Q", sz },
          allocated: ({ Q, sz }) => sz === 0 || Q === 1,
          operands: unarySlots,
          fp: true,
          execute: (c, { Q, sz }) => {
            const size = half ? 1 : 2 + sz;
            writeLanes(c, "d", width(Q), size, (i) => run(c, size, lane(c, "n", size, i)));
          },
          syntax: (f) => {
            const t = arrangement(f.Q, sizeOf(f));
            return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}${suffix}`;
          },
        }),
      );
    if (scalar)
      list.push(
        define({
          name: `${mnemonic.toUpperCase()} (${kind}scalar${title})`,
          ...feature,
          pattern: half
            ? `01 ${U} 11110 ${a} 111100 ${opcode} 10 Rn:5 Rd:5`
            : `01 ${U} 11110 ${a} sz 10000 ${opcode} 10 Rn:5 Rd:5`,
          statics: { sz },
          operands: unarySlots,
          fp: true,
          execute: (c, { sz }) => {
            const size = half ? 1 : 2 + sz;
            c.setVLow("d", run(c, size, lane(c, "n", size, 0)));
          },
          syntax: (f) => `${mnemonic} ${sreg(sizeOf(f), f.Rd)}, ${sreg(sizeOf(f), f.Rn)}${suffix}`,
        }),
      );
    return list;
  }),
);

/** FRINT32Z, FRINT32X, FRINT64Z, FRINT64X. FEAT_FRINTTS. */
const roundToInteger = [0, 1, 2, 3].map((op) => {
  const mnemonic = `frint${op & 2 ? 64 : 32}${op & 1 ? "x" : "z"}`;
  return define({
    name: `${mnemonic.toUpperCase()} (vector)`,
    feature: "FEAT_FRINTTS",
    pattern: `0 Q ${op & 1} 01110 0 sz 10000 1111${op >> 1} 10 Rn:5 Rd:5`,
    statics: { Q: "Q", sz: "sz" },
    allocated: ({ Q, sz }) => sz === 0 || Q === 1,
    operands: unarySlots,
    fp: true,
    execute: (c, { Q, sz }) =>
      writeLanes(c, "d", width(Q), 2 + sz, (i) =>
        fp.roundIntN(c, 2 + sz, op & 2 ? 64 : 32, lane(c, "n", 2 + sz, i), op & 1 ? fpcrRounding(c) : i32(ROUNDING.z)),
      ),
    syntax: (f) => {
      const t = arrangement(f.Q, 2 + f.sz);
      return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}`;
    },
  });
});

/** URECPE, URSQRTE: words only. */
const unsignedEstimates = (["recip", "rsqrt"] as const).map((kind, U) =>
  define({
    name: U ? "URSQRTE" : "URECPE",
    pattern: `0 Q ${U} 01110 10 10000 11100 10 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: unarySlots,
    fp: true,
    execute: (c, { Q }) =>
      writeLanes(c, "d", width(Q), 2, (i) => toI64U(fp.unsignedEstimate(c, kind, toI32(lane(c, "n", 2, i))))),
    syntax: (f) => `${U ? "ursqrte" : "urecpe"} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 2))}`,
  }),
);

/** FCVTL, FCVTN, FCVTXN. `sz` 0 is half and single, 1 single and double. */
const lengthen = define({
  name: "FCVTL",
  pattern: "0 Q 0 01110 0 sz 10000 10111 10 Rn:5 Rd:5",
  statics: { Q: "Q", sz: "sz" },
  operands: unarySlots,
  fp: true,
  execute: (c, { Q, sz }) => {
    const count = 4 >> sz;
    writeLanes(c, "d", 128, 2 + sz, (i) => fp.convert(c, 1 + sz, 2 + sz, lane(c, "n", 1 + sz, i + (Q ? count : 0))));
  },
  syntax: (f) =>
    `fcvtl${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(1, sizeOf(f)))}, ${vreg(f.Rn, arrangement(f.Q, sizeOf(f) - 1))}`,
});
const narrow = [0, 1].map((odd) =>
  define({
    name: odd ? "FCVTXN (vector)" : "FCVTN",
    pattern: `0 Q ${odd} 01110 0 sz 10000 10110 10 Rn:5 Rd:5`,
    statics: { Q: "Q", sz: "sz" },
    allocated: ({ sz }) => odd === 0 || sz === 1,
    operands: unarySlots,
    fp: true,
    execute: (c, { Q, sz }) =>
      writeHalf(
        c,
        "d",
        Q,
        buildVector(c, 64, 1 + sz, (i) => fp.convert(c, 2 + sz, 1 + sz, lane(c, "n", 2 + sz, i), odd === 1)),
      ),
    syntax: (f) =>
      `fcvt${odd ? "x" : ""}n${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(f.Q, sizeOf(f) - 1))}, ${vreg(f.Rn, arrangement(1, sizeOf(f)))}`,
  }),
);
const narrowToBfloat = define({
  name: "BFCVTN",
  feature: "FEAT_BF16",
  pattern: "0 Q 0 01110 10 10000 10110 10 Rn:5 Rd:5",
  statics: { Q: "Q" },
  operands: unarySlots,
  fp: true,
  execute: (c, { Q }) =>
    writeHalf(
      c,
      "d",
      Q,
      buildVector(c, 64, 1, (i) => fp.toBfloat(c, lane(c, "n", 2, i))),
    ),
  syntax: (f) => `bfcvtn${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(f.Q, 1))}, v${f.Rn}.4s`,
});
const narrowOddScalar = define({
  name: "FCVTXN (scalar)",
  pattern: "01 1 11110 01 10000 10110 10 Rn:5 Rd:5",
  operands: unarySlots,
  fp: true,
  execute: (c) => c.setVLow("d", fp.convert(c, 3, 2, lane(c, "n", 3, 0), true)),
  syntax: (f) => `fcvtxn s${f.Rd}, d${f.Rn}`,
});

// ------------------------------------------------------------------------------------------ fixed-point conversions

/** immh 001x is half precision (FEAT_FP16), 01xx single, 1xxx double. */
const ofSize = ({ size }: { readonly size: number }) => (size === 1 ? "FEAT_FP16" : undefined);
const immhSize = {
  count: 5,
  of: (w: Word<"immh">) => select(eqz(w.field("immh")), i32(4), sub(i32(31), clz(w.field("immh")))),
};
const fixedOperands = (w: Word<"Rd" | "Rn" | "immh" | "immb">): { d: Expr<I32>; n: Expr<I32>; imm: Expr<I32> } => ({
  d: w.vSlot("Rd"),
  n: w.vSlot("Rn"),
  imm: sub(shl(i32(16), sub(i32(31), clz(w.field("immh")))), add(shl(w.field("immh"), 3), w.field("immb"))),
});
const fixed = (["scvtf", "ucvtf", "fcvtzs", "fcvtzu"] as const).flatMap((mnemonic) => {
  const unsigned = mnemonic.endsWith("u") || mnemonic === "ucvtf";
  const opcode = mnemonic.endsWith("cvtf") ? "11100" : "11111";
  const run: Unary = (c, size, a) =>
    mnemonic.endsWith("cvtf")
      ? fp.fromFixed(c, size, unsigned, integer(size, unsigned, a), c.imm())
      : fp.toFixed(c, size, bitsOf(size), unsigned, a, c.imm(), i32(ROUNDING.z));
  const size = (f: FieldValues<"immh">) => 31 - Math.clz32(f.immh);
  const count = (f: FieldValues<"immh" | "immb">) => (16 << size(f)) - f.immh * 8 - f.immb;
  return [
    define({
      name: `${mnemonic.toUpperCase()} (vector, fixed-point)`,
      pattern: `0 Q ${+unsigned} 011110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
      statics: { Q: "Q", size: immhSize },
      feature: ofSize,
      allocated: ({ Q, size }) => size === 1 || size === 2 || (size === 3 && Q === 1),
      operands: fixedOperands,
      fp: true,
      execute: (c, { Q, size }) => writeLanes(c, "d", width(Q), size, (i) => run(c, size, lane(c, "n", size, i))),
      syntax: (f) =>
        `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, size(f)))}, ${vreg(f.Rn, arrangement(f.Q, size(f)))}, #${count(f)}`,
    }),
    define({
      name: `${mnemonic.toUpperCase()} (scalar, fixed-point)`,
      pattern: `01 ${+unsigned} 111110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
      statics: { size: immhSize },
      feature: ofSize,
      allocated: ({ size }) => size >= 1 && size <= 3,
      operands: fixedOperands,
      fp: true,
      execute: (c, { size }) => c.setVLow("d", run(c, size, lane(c, "n", size, 0))),
      syntax: (f) => `${mnemonic} ${sreg(size(f), f.Rd)}, ${sreg(size(f), f.Rn)}, #${count(f)}`,
    }),
  ];
});

export const SIMD_FP_TWO_REG: readonly Description[] = [
  ...twoReg,
  ...roundToInteger,
  ...unsignedEstimates,
  lengthen,
  ...narrow,
  narrowOddScalar,
  narrowToBfloat,
  ...fixed,
];
