/**
 * Advanced SIMD two-register miscellaneous, scalar two-register miscellaneous, across lanes and scalar pairwise: integer operations.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD two-register miscellaneous, across lanes, scalar pairwise).
 */
import { L } from "../state/layout.ts";
import {
  add,
  and,
  call,
  clz,
  type Expr,
  eqz,
  gtS,
  gtU,
  I32,
  I64,
  i32,
  i64,
  load,
  ltS,
  ltU,
  or,
  select,
  shl,
  shrS,
  shuffle,
  simd,
  sub,
  type V128,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues } from "./description.ts";
import {
  arrangement,
  buildVector,
  lane,
  op,
  raiseQcIf,
  readVector,
  saturate,
  shift,
  splat,
  sreg,
  unarySlots,
  vand,
  vnot,
  vor,
  vreg,
  vxor,
  width,
  writeHalf,
  writeVector,
  zeroVector,
} from "./simd-lanes.ts";
import { packLow, widen } from "./simd-three-different.ts";

type Vector = Expr<V128>;
type UnaryOperation = (c: Context, a: Vector, size: number, bits: number) => Vector;

interface Unary {
  readonly mnemonic: string;
  readonly U: number;
  readonly opcode: number;
  readonly sizes: readonly number[];
  readonly scalar?: readonly number[];
  /** After the operands: `, #0`. */
  readonly suffix?: string;
  /** Arrangement of the destination, when it is another one. */
  readonly resultSize?: (size: number) => number;
  readonly run: UnaryOperation;
  /** Distinguishes classes with the same mnemonic. */
  readonly title?: string;
}

function unary({
  mnemonic,
  U,
  opcode,
  sizes,
  scalar,
  suffix = "",
  resultSize,
  run,
  title = "vector",
}: Unary): Description[] {
  const code = opcode.toString(2).padStart(5, "0");
  const fixed = sizes.length === 1 ? (["00", "01", "10", "11"] as const)[sizes[0] as 0] : "size:2";
  const sizeOf = (f: FieldValues<"size">) => (sizes.length === 1 ? (sizes[0] as number) : f.size);
  const statics = (q: boolean) => ({
    Q: q ? ("Q" as const) : { count: 1, of: () => constantZero() },
    size: sizes.length === 1 ? { count: 1, of: () => constantZero() } : ("size" as const),
  });
  const vector = define({
    name: `${mnemonic.toUpperCase()} (${title})`,
    pattern: `0 Q ${U} 01110 ${fixed} 10000 ${code} 10 Rn:5 Rd:5`,
    statics: statics(true),
    allocated: ({ Q, size }) => sizes.length === 1 || (sizes.includes(size) && (size < 3 || Q === 1)),
    operands: unarySlots,
    fp: true,
    execute: (c, { Q, size }) => {
      const bits = width(Q);
      writeVector(
        c,
        "d",
        bits,
        run(c, readVector(c, "n", bits), sizes.length === 1 ? (sizes[0] as number) : size, bits),
      );
    },
    syntax: (f) => {
      const size = sizeOf(f);
      return `${mnemonic} ${vreg(f.Rd, arrangement(f.Q, resultSize?.(size) ?? size))}, ${vreg(f.Rn, arrangement(f.Q, size))}${suffix}`;
    },
  });
  if (scalar === undefined) return [vector];
  return [
    vector,
    define({
      name: `${mnemonic.toUpperCase()} (${title === "vector" ? "scalar" : `${title}, scalar`})`,
      pattern: `01 ${U} 11110 size:2 10000 ${code} 10 Rn:5 Rd:5`,
      statics: { size: "size" },
      allocated: ({ size }) => scalar.includes(size),
      operands: unarySlots,
      fp: true,
      execute: (c, { size }) => {
        const bits = 8 << size;
        writeVector(c, "d", bits, run(c, readVector(c, "n", bits), size, bits));
      },
      syntax: (f) => `${mnemonic} ${sreg(f.size, f.Rd)}, ${sreg(f.size, f.Rn)}${suffix}`,
    }),
  ];
}
const constantZero = () => i32(0);

/** Reverse the elements of `size` within containers of `container`. */
const reverse =
  (container: number): UnaryOperation =>
  (_c, a, size) => {
    const flip = ((1 << container) >> size) - 1;
    return shuffle(
      a,
      a,
      Array.from({ length: 16 }, (_, at) => ((((at >> size) ^ flip) << size) | (at & ((1 << size) - 1))) & 15),
    );
  };
const pairwiseLong =
  (signed: boolean, accumulate: boolean): UnaryOperation =>
  (c, a, size) => {
    const s = signed ? "s" : "u";
    let sum: Vector;
    if (size === 0) sum = simd(`i16x8.extadd_pairwise_i8x16_${s}`, a);
    else if (size === 1) sum = simd(`i32x4.extadd_pairwise_i16x8_${s}`, a);
    else {
      const even = signed ? shift("shr_s", 3, shift("shl", 3, a, 32), 32) : vand(a, splat(3, 0xffff_ffffn));
      sum = op("add", 3, even, shift(signed ? "shr_s" : "shr_u", 3, a, 32));
    }
    return accumulate ? op("add", size + 1, c.v("d"), sum) : sum;
  };
const leading =
  (signed: boolean): UnaryOperation =>
  (c, _a, size, bits) =>
    buildVector(c, bits, size, (i) => {
      const width = 8 << size;
      const x = c.temp(lane(c, "n", size, i, signed));
      if (!signed) return sub(clz(x), 64 - width);
      return sub(clz(xor(x, shrS(x, 63))), 65 - width);
    });
const reverseBits: UnaryOperation = (c, a) => {
  let v: Vector = a;
  for (const [count, mask] of [
    [1, 0x55n],
    [2, 0x33n],
  ] as const)
    v = c.temp(vor(vand(shift("shr_u", 0, v, count), splat(0, mask)), shift("shl", 0, vand(v, splat(0, mask)), count)));
  return vor(shift("shr_u", 0, v, 4), shift("shl", 0, v, 4));
};
/** ABS or NEG; of the smallest value it is itself. */
const saturatingMagnitude =
  (name: "abs" | "neg"): UnaryOperation =>
  (c, a, size) => {
    const r = c.temp(op(name, size, a));
    const over = c.temp(op("eq", size, a, splat(size, 1n << BigInt((8 << size) - 1))));
    raiseQcIf(c, over);
    return vxor(r, over);
  };
const compareZero =
  (name: "gt_s" | "ge_s" | "eq" | "le_s" | "lt_s"): UnaryOperation =>
  (_c, a, size) =>
    op(name, size, a, zeroVector());

/** SUQADD: signed plus unsigned, saturated signed. USQADD: unsigned plus signed, saturated unsigned. */
const mixedAdd =
  (unsigned: boolean): UnaryOperation =>
  (c, _a, size, bits) => {
    const helperName = `mixedAdd.${unsigned ? "u" : "s"}64`;
    return buildVector(c, bits, size, (i) => {
      // accumulator of the result's kind, operand of the other
      const accumulator = lane(c, "d", size, i, !unsigned);
      const operand = lane(c, "n", size, i, unsigned);
      if (size < 3) return saturate(c, size, unsigned, add(accumulator, operand));
      const helper = c.helper(helperName, (module) =>
        module.func(helperName, [I32, I64, I64], [I64], (f, s, acc, x) => {
          const sum = f.temp(add(acc, x));
          const raise = () => f.store("i32", s, or(load("i32", s, L.FPSR), 1 << 27), L.FPSR);
          if (unsigned) {
            // x signed: up past the top, or down past zero
            f.if(and(ltS(x, 0), gtU(sum, acc)), () => {
              raise();
              f.return(0);
            });
            f.if(and(eqz(ltS(x, 0)), ltU(sum, acc)), () => {
              raise();
              f.return(-1);
            });
          } else {
            // x unsigned: the true sum is beyond when acc + x, taken from the smallest value, carries
            const base = f.temp(xor(acc, i64(1n << 63n)));
            f.if(ltU(add(base, x), base), () => {
              raise();
              f.return(i64((1n << 63n) - 1n));
            });
          }
          f.return(sum);
        }),
      );
      return call(helper, c.state, accumulator, operand);
    });
  };

// ------------------------------------------------------------------------------------------------------ narrowing

/** Saturate elements of twice the size into elements of `size`. Gives the packed low half. */
export function saturatingNarrow(
  c: Context,
  kind: "sqxtn" | "uqxtn" | "sqxtun",
  count: number,
  size: number,
  value: (index: number) => Expr<I64>,
): Vector {
  return buildVector(c, count * (8 << size), size, (i) => {
    if (kind !== "uqxtn") return saturate(c, size, kind === "sqxtun", value(i));
    // an unsigned doubleword may look negative: clamp without a sign
    const limit = (1n << BigInt(8 << size)) - 1n;
    const x = c.temp(value(i));
    const over = c.temp(gtU(x, limit));
    c.f.store("i32", c.state, or(load("i32", c.state, L.FPSR), shl(over, 27)), L.FPSR);
    return select(over, i64(limit), x);
  });
}
const NARROW = [
  ["xtn", 0, 0b10010],
  ["sqxtun", 1, 0b10010],
  ["sqxtn", 0, 0b10100],
  ["uqxtn", 1, 0b10100],
] as const;
const narrow = NARROW.flatMap(([mnemonic, U, opcode]) => {
  const code = opcode.toString(2);
  const vector = define({
    name: `${mnemonic.toUpperCase()} (vector)`,
    pattern: `0 Q ${U} 01110 size:2 10000 ${code} 10 Rn:5 Rd:5`,
    statics: { Q: "Q", size: "size" },
    allocated: ({ size }) => size < 3,
    operands: unarySlots,
    fp: true,
    execute: (c, { Q, size }) =>
      writeHalf(
        c,
        "d",
        Q,
        mnemonic === "xtn"
          ? packLow(c.temp(c.v("n")), size)
          : saturatingNarrow(c, mnemonic, 8 >> size, size, (i) => lane(c, "n", size + 1, i, mnemonic !== "uqxtn")),
      ),
    syntax: (f) =>
      `${mnemonic}${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(f.Q, f.size))}, ${vreg(f.Rn, arrangement(1, f.size + 1))}`,
  });
  if (mnemonic === "xtn") return [vector];
  return [
    vector,
    define({
      name: `${mnemonic.toUpperCase()} (scalar)`,
      pattern: `01 ${U} 11110 size:2 10000 ${code} 10 Rn:5 Rd:5`,
      statics: { size: "size" },
      allocated: ({ size }) => size < 3,
      operands: unarySlots,
      fp: true,
      execute: (c, { size }) =>
        writeVector(
          c,
          "d",
          8 << size,
          saturatingNarrow(c, mnemonic, 1, size, () => lane(c, "n", size + 1, 0, mnemonic !== "uqxtn")),
        ),
      syntax: (f) => `${mnemonic} ${sreg(f.size, f.Rd)}, ${sreg(f.size + 1, f.Rn)}`,
    }),
  ];
});

/** SHLL: widen and shift left by the element's width. */
const shiftLeftLong = define({
  name: "SHLL",
  pattern: "0 Q 1 01110 size:2 10000 10011 10 Rn:5 Rd:5",
  statics: { Q: "Q", size: "size" },
  allocated: ({ size }) => size < 3,
  operands: unarySlots,
  fp: true,
  execute: (c, { Q, size }) => {
    const half = Q
      ? shuffle(c.v("n"), c.v("n"), [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15])
      : c.v("n");
    c.setV("d", shift("shl", size + 1, widen(false, half, size), 8 << size));
  },
  syntax: (f) =>
    `shll${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(1, f.size + 1))}, ${vreg(f.Rn, arrangement(f.Q, f.size))}, #${8 << f.size}`,
});

// ---------------------------------------------------------------------------------------------------- across lanes

type Reduce = (a: Expr<I64>, b: Expr<I64>) => Expr<I64>;
const across = (
  mnemonic: string,
  U: number,
  opcode: string,
  long: boolean,
  signed: boolean,
  reduce: (c: Context) => Reduce,
): Description =>
  define({
    name: mnemonic.toUpperCase(),
    pattern: `0 Q ${U} 01110 size:2 11000 ${opcode} 10 Rn:5 Rd:5`,
    statics: { Q: "Q", size: "size" },
    allocated: ({ Q, size }) => size < 2 || (size === 2 && Q === 1),
    operands: unarySlots,
    fp: true,
    execute: (c, { Q, size }) => {
      const combine = reduce(c);
      let values = Array.from(
        { length: width(Q) >> (3 + size) },
        (_, i): Expr<I64> => c.temp(lane(c, "n", size, i, signed)),
      );
      while (values.length > 1)
        values = Array.from({ length: values.length / 2 }, (_, i) =>
          c.temp(combine(values[2 * i] as Expr<I64>, values[2 * i + 1] as Expr<I64>)),
        );
      const result = values[0] as Expr<I64>;
      const bits = (long ? 16 : 8) << size;
      c.setVLow("d", bits === 64 ? result : and(result, (1n << BigInt(bits)) - 1n));
    },
    syntax: (f) => `${mnemonic} ${sreg(f.size + (long ? 1 : 0), f.Rd)}, ${vreg(f.Rn, arrangement(f.Q, f.size))}`,
  });
const larger: Reduce = (a, b) => select(gtS(a, b), a, b);
const smaller: Reduce = (a, b) => select(ltS(a, b), a, b);

const scalarAddPair = define({
  name: "ADDP (scalar)",
  pattern: "01 0 11110 11 11000 11011 10 Rn:5 Rd:5",
  operands: unarySlots,
  fp: true,
  execute: (c) => c.setVLow("d", add(lane(c, "n", 3, 0), lane(c, "n", 3, 1))),
  syntax: (f) => `addp d${f.Rd}, v${f.Rn}.2d`,
});

const ALL = [0, 1, 2, 3];
const BHS = [0, 1, 2];
const D = [3];
const wider = (size: number) => size + 1;

export const SIMD_TWO_REG: readonly Description[] = [
  ...unary({ mnemonic: "rev64", U: 0, opcode: 0b00000, sizes: BHS, run: reverse(3) }),
  ...unary({ mnemonic: "rev32", U: 1, opcode: 0b00000, sizes: [0, 1], run: reverse(2) }),
  ...unary({ mnemonic: "rev16", U: 0, opcode: 0b00001, sizes: [0], run: reverse(1) }),
  ...unary({
    mnemonic: "saddlp",
    U: 0,
    opcode: 0b00010,
    sizes: BHS,
    resultSize: wider,
    run: pairwiseLong(true, false),
  }),
  ...unary({
    mnemonic: "uaddlp",
    U: 1,
    opcode: 0b00010,
    sizes: BHS,
    resultSize: wider,
    run: pairwiseLong(false, false),
  }),
  ...unary({ mnemonic: "suqadd", U: 0, opcode: 0b00011, sizes: ALL, scalar: ALL, run: mixedAdd(false) }),
  ...unary({ mnemonic: "usqadd", U: 1, opcode: 0b00011, sizes: ALL, scalar: ALL, run: mixedAdd(true) }),
  ...unary({ mnemonic: "cls", U: 0, opcode: 0b00100, sizes: BHS, run: leading(true) }),
  ...unary({ mnemonic: "clz", U: 1, opcode: 0b00100, sizes: BHS, run: leading(false) }),
  ...unary({ mnemonic: "cnt", U: 0, opcode: 0b00101, sizes: [0], run: (_c, a) => simd("i8x16.popcnt", a) }),
  ...unary({ mnemonic: "not", U: 1, opcode: 0b00101, sizes: [0], run: (_c, a) => vnot(a) }),
  ...rbit(),
  ...unary({ mnemonic: "sadalp", U: 0, opcode: 0b00110, sizes: BHS, resultSize: wider, run: pairwiseLong(true, true) }),
  ...unary({
    mnemonic: "uadalp",
    U: 1,
    opcode: 0b00110,
    sizes: BHS,
    resultSize: wider,
    run: pairwiseLong(false, true),
  }),
  ...unary({ mnemonic: "sqabs", U: 0, opcode: 0b00111, sizes: ALL, scalar: ALL, run: saturatingMagnitude("abs") }),
  ...unary({ mnemonic: "sqneg", U: 1, opcode: 0b00111, sizes: ALL, scalar: ALL, run: saturatingMagnitude("neg") }),
  ...unary({
    mnemonic: "cmgt",
    title: "zero",
    suffix: ", #0",
    U: 0,
    opcode: 0b01000,
    sizes: ALL,
    scalar: D,
    run: compareZero("gt_s"),
  }),
  ...unary({
    mnemonic: "cmge",
    title: "zero",
    suffix: ", #0",
    U: 1,
    opcode: 0b01000,
    sizes: ALL,
    scalar: D,
    run: compareZero("ge_s"),
  }),
  ...unary({
    mnemonic: "cmeq",
    title: "zero",
    suffix: ", #0",
    U: 0,
    opcode: 0b01001,
    sizes: ALL,
    scalar: D,
    run: compareZero("eq"),
  }),
  ...unary({
    mnemonic: "cmle",
    title: "zero",
    suffix: ", #0",
    U: 1,
    opcode: 0b01001,
    sizes: ALL,
    scalar: D,
    run: compareZero("le_s"),
  }),
  ...unary({
    mnemonic: "cmlt",
    title: "zero",
    suffix: ", #0",
    U: 0,
    opcode: 0b01010,
    sizes: ALL,
    scalar: D,
    run: compareZero("lt_s"),
  }),
  ...unary({ mnemonic: "abs", U: 0, opcode: 0b01011, sizes: ALL, scalar: D, run: (_c, a, size) => op("abs", size, a) }),
  ...unary({ mnemonic: "neg", U: 1, opcode: 0b01011, sizes: ALL, scalar: D, run: (_c, a, size) => op("neg", size, a) }),
  ...narrow,
  shiftLeftLong,
  across("saddlv", 0, "00011", true, true, () => (a, b) => add(a, b)),
  across("uaddlv", 1, "00011", true, false, () => (a, b) => add(a, b)),
  across("smaxv", 0, "01010", false, true, () => larger),
  across("umaxv", 1, "01010", false, false, () => larger),
  across("sminv", 0, "11010", false, true, () => smaller),
  across("uminv", 1, "11010", false, false, () => smaller),
  across("addv", 0, "11011", false, false, () => (a, b) => add(a, b)),
  scalarAddPair,
];

/** RBIT is encoded with size 01, of bytes. */
function rbit(): Description[] {
  return [
    define({
      name: "RBIT (vector)",
      pattern: "0 Q 1 01110 01 10000 00101 10 Rn:5 Rd:5",
      statics: { Q: "Q" },
      operands: unarySlots,
      fp: true,
      execute: (c, { Q }) => writeVector(c, "d", width(Q), reverseBits(c, c.temp(c.v("n")), 0, width(Q))),
      syntax: (f) => `rbit ${vreg(f.Rd, arrangement(f.Q, 0))}, ${vreg(f.Rn, arrangement(f.Q, 0))}`,
    }),
  ];
}
