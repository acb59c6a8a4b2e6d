/**
 * Advanced SIMD floating point: three same, across lanes, scalar pairwise, of half, single and double precision.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD three same, three same (FP16), across lanes, scalar pairwise).
 */
import type { Expr, I64 } from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import { fp } from "./fp-helpers.ts";
import { arrangement, form, lane, sreg, standardSlots, unarySlots, vreg, width, writeLanes } from "./simd-lanes.ts";

// ------------------------------------------------------------------------------------------------------ three same

type Binary = (c: Context, size: number, a: Expr<I64>, b: Expr<I64>, d: () => Expr<I64>) => Expr<I64>;
interface ThreeSameFp {
  readonly mnemonic: string;
  readonly U: number;
  readonly a: number;
  readonly opcode: string;
  readonly scalar?: boolean;
  readonly pairwise?: boolean;
  readonly run: Binary;
}
const mask =
  (op: "eq" | "ge" | "gt", absolute = false): Binary =>
  (c, size, a, b) =>
    fp.mask(c, op, size, absolute ? fp.abs(size, a) : a, absolute ? fp.abs(size, b) : b);
const arithmetic =
  (op: "add" | "sub" | "mul" | "mulx" | "div"): Binary =>
  (c, size, a, b) =>
    fp.binary(c, op, size, a, b);
const minMax =
  (op: "min" | "max" | "minnm" | "maxnm"): Binary =>
  (c, size, a, b) =>
    fp.minMax(c, op, size, a, b);

const THREE_SAME: readonly ThreeSameFp[] = [
  { mnemonic: "fmaxnm", U: 0, a: 0, opcode: "11000", run: minMax("maxnm") },
  { mnemonic: "fminnm", U: 0, a: 1, opcode: "11000", run: minMax("minnm") },
  { mnemonic: "fmla", U: 0, a: 0, opcode: "11001", run: (c, size, a, b, d) => fp.fma(c, size, d(), a, b) },
  {
    mnemonic: "fmls",
    U: 0,
    a: 1,
    opcode: "11001",
    run: (c, size, a, b, d) => fp.fma(c, size, d(), fp.neg(size, a), b),
  },
  { mnemonic: "fadd", U: 0, a: 0, opcode: "11010", run: arithmetic("add") },
  { mnemonic: "fsub", U: 0, a: 1, opcode: "11010", run: arithmetic("sub") },
  { mnemonic: "fmulx", U: 0, a: 0, opcode: "11011", scalar: true, run: arithmetic("mulx") },
  { mnemonic: "fcmeq", U: 0, a: 0, opcode: "11100", scalar: true, run: mask("eq") },
  { mnemonic: "fmax", U: 0, a: 0, opcode: "11110", run: minMax("max") },
  { mnemonic: "fmin", U: 0, a: 1, opcode: "11110", run: minMax("min") },
  {
    mnemonic: "frecps",
    U: 0,
    a: 0,
    opcode: "11111",
    scalar: true,
    run: (c, size, a, b) => fp.step(c, "recip", size, a, b),
  },
  {
    mnemonic: "frsqrts",
    U: 0,
    a: 1,
    opcode: "11111",
    scalar: true,
    run: (c, size, a, b) => fp.step(c, "rsqrt", size, a, b),
  },
  { mnemonic: "fmaxnmp", U: 1, a: 0, opcode: "11000", pairwise: true, run: minMax("maxnm") },
  { mnemonic: "fminnmp", U: 1, a: 1, opcode: "11000", pairwise: true, run: minMax("minnm") },
  { mnemonic: "faddp", U: 1, a: 0, opcode: "11010", pairwise: true, run: arithmetic("add") },
  {
    mnemonic: "fabd",
    U: 1,
    a: 1,
    opcode: "11010",
    scalar: true,
    run: (c, size, a, b) => fp.abs(size, fp.binary(c, "sub", size, a, b)),
  },
  { mnemonic: "fmul", U: 1, a: 0, opcode: "11011", run: arithmetic("mul") },
  { mnemonic: "fcmge", U: 1, a: 0, opcode: "11100", scalar: true, run: mask("ge") },
  { mnemonic: "fcmgt", U: 1, a: 1, opcode: "11100", scalar: true, run: mask("gt") },
  { mnemonic: "facge", U: 1, a: 0, opcode: "11101", scalar: true, run: mask("ge", true) },
  { mnemonic: "facgt", U: 1, a: 1, opcode: "11101", scalar: true, run: mask("gt", true) },
  { mnemonic: "fmaxp", U: 1, a: 0, opcode: "11110", pairwise: true, run: minMax("max") },
  { mnemonic: "fminp", U: 1, a: 1, opcode: "11110", pairwise: true, run: minMax("min") },
  { mnemonic: "fdiv", U: 1, a: 0, opcode: "11111", run: arithmetic("div") },
];

/** Single and double precision by `sz`; half precision (FEAT_FP16) is a class of its own. */
const threeSame = THREE_SAME.flatMap(({ mnemonic, U, a, opcode, scalar, pairwise, run }) =>
  [false, true].flatMap((half) => {
    const { sz, sizeOf, title, feature } = form(half);
    const low = opcode.slice(2);
    const vector = define({
      name: `${mnemonic.toUpperCase()} (vector${title})`,
      ...feature,
      pattern: half
        ? `0 Q ${U} 01110 ${a} 10 Rm:5 00 ${low} 1 Rn:5 Rd:5`
        : `0 Q ${U} 01110 ${a} sz 1 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
      statics: { Q: "Q", sz },
      allocated: ({ Q, sz }) => sz === 0 || Q === 1,
      operands: standardSlots,
      fp: true,
      execute: (c, { Q, sz }) => {
        const size = half ? 1 : 2 + sz;
        const count = width(Q) >> (3 + size);
        const at = (index: number) => (index < count ? lane(c, "n", size, index) : lane(c, "m", size, index - count));
        writeLanes(c, "d", width(Q), size, (i) =>
          pairwise
            ? run(c, size, at(2 * i), at(2 * i + 1), () => lane(c, "d", size, i))
            : run(c, size, lane(c, "n", size, i), lane(c, "m", size, i), () => lane(c, "d", size, i)),
        );
      },
      syntax: (f) => {
        const t = arrangement(f.Q, sizeOf(f));
        return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}`;
      },
    });
    if (!scalar) return [vector];
    return [
      vector,
      define({
        name: `${mnemonic.toUpperCase()} (scalar${title})`,
        ...feature,
        pattern: half
          ? `01 ${U} 11110 ${a} 10 Rm:5 00 ${low} 1 Rn:5 Rd:5`
          : `01 ${U} 11110 ${a} sz 1 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
        statics: { sz },
        operands: standardSlots,
        fp: true,
        execute: (c, { sz }) => {
          const size = half ? 1 : 2 + sz;
          c.setVLow(
            "d",
            run(c, size, lane(c, "n", size, 0), lane(c, "m", size, 0), () => lane(c, "d", size, 0)),
          );
        },
        syntax: (f) => {
          const size = sizeOf(f);
          return `${mnemonic} ${sreg(size, f.Rd)}, ${sreg(size, f.Rn)}, ${sreg(size, f.Rm)}`;
        },
      }),
    ];
  }),
);

// -------------------------------------------------------------------------------- across lanes and scalar pairwise

const ACROSS = [
  ["maxnm", 0, "01100"],
  ["minnm", 1, "01100"],
  ["max", 0, "01111"],
  ["min", 1, "01111"],
] as const;
/** FPReduce: the lower half and the upper half, then both. */
function reduce(c: Context, op: (typeof ACROSS)[number][0], size: number, elements: readonly Expr<I64>[]): Expr<I64> {
  if (elements.length === 1) return elements[0] as Expr<I64>;
  const half = elements.length / 2;
  const low = c.temp(reduce(c, op, size, elements.slice(0, half)));
  const high = c.temp(reduce(c, op, size, elements.slice(half)));
  return fp.minMax(c, op, size, low, high);
}
const across = ACROSS.flatMap(([name, a, opcode]) => [
  define({
    name: `F${name.toUpperCase()}V`,
    pattern: `0 1 1 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`,
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      const elements = [0, 1, 2, 3].map((i) => lane(c, "n", 2, i));
      c.setVLow("d", reduce(c, name, 2, elements));
    },
    syntax: (f) => `f${name}v s${f.Rd}, v${f.Rn}.4s`,
  }),
  define({
    name: `F${name.toUpperCase()}V (half)`,
    feature: "FEAT_FP16",
    pattern: `0 Q 0 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: unarySlots,
    fp: true,
    execute: (c, { Q }) => {
      const elements = Array.from({ length: Q ? 8 : 4 }, (_, i) => lane(c, "n", 1, i));
      c.setVLow("d", reduce(c, name, 1, elements));
    },
    syntax: (f) => `f${name}v h${f.Rd}, v${f.Rn}.${arrangement(f.Q, 1)}`,
  }),
]);
const pairwiseScalar = ([...ACROSS, ["add", 0, "01101"]] as const).flatMap(([name, a, opcode]) =>
  [false, true].map((half) => {
    const { sz, sizeOf, title, feature } = form(half);
    return define({
      name: `F${name.toUpperCase()}P (scalar${title})`,
      ...feature,
      pattern: half
        ? `01 0 11110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`
        : `01 1 11110 ${a} sz 11000 ${opcode} 10 Rn:5 Rd:5`,
      statics: { sz },
      operands: unarySlots,
      fp: true,
      execute: (c, { sz }) => {
        const size = half ? 1 : 2 + sz;
        const first = lane(c, "n", size, 0);
        const second = lane(c, "n", size, 1);
        c.setVLow(
          "d",
          name === "add" ? fp.binary(c, "add", size, first, second) : fp.minMax(c, name, size, first, second),
        );
      },
      syntax: (f) => `f${name}p ${sreg(sizeOf(f), f.Rd)}, v${f.Rn}.2${"bhsd"[sizeOf(f)]}`,
    });
  }),
);

export const SIMD_FP: readonly Description[] = [...threeSame, ...across, ...pairwiseScalar];
