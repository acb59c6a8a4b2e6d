/**
 * Scalar floating point: data processing of one, two and three sources, compare, conditional compare and select,
 * immediate, conversions to and from integers and fixed point.
 *
 * ptype 0 is single, 1 double, 3 half; half precision is FEAT_FP16, but for the conversions FCVT.
 *
 * Source: DDI 0487 K.a C4.1.96 (floating-point data-processing and conversion classes).
 */
import {
  and,
  type Expr,
  eq,
  eqz,
  type I64,
  i32,
  i64,
  load,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64S,
  toI64U,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { fp, fpcrRounding, fpScalar } from "./fp-helpers.ts";
import { sreg } from "./simd-lanes.ts";
import { vfpExpandImm, vfpImmediateText } from "./simd-permute.ts";
import { CONDITION_NAME, reg } from "./syntax.ts";

/** ptype as element size: 0 single, 1 double, 3 half. */
const SIZE_OF_TYPE = [2, 3, 0, 1] as const;
const sizeOfType = (ptype: number): number => SIZE_OF_TYPE[ptype as 0];
const sizeOf = (f: FieldValues<"ptype">) => sizeOfType(f.ptype);
const HALF = 3;
/** What every instruction with a ptype shares. */
const byType = {
  allocated: ({ ptype }: { readonly ptype: number }) => ptype !== 2,
  feature: ({ ptype }: { readonly ptype: number }) => (ptype === HALF ? "FEAT_FP16" : undefined),
  fp: true,
} as const;
const slots = {
  one: (w: Word<"Rd" | "Rn">) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn") }),
  two: (w: Word<"Rd" | "Rn" | "Rm">) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: w.vSlot("Rm") }),
  three: (w: Word<"Rd" | "Rn" | "Rm" | "Ra">) => ({
    d: w.vSlot("Rd"),
    n: w.vSlot("Rn"),
    m: w.vSlot("Rm"),
    a: w.vSlot("Ra"),
  }),
};

type Run = (c: Context, size: number) => Expr<I64>;
const n = (c: Context, size: number) => fpScalar(c, "n", size);
const m = (c: Context, size: number) => fpScalar(c, "m", size);

const oneSource = (
  [
    ["fmov", 0, n],
    ["fabs", 1, (c, size) => fp.abs(size, n(c, size))],
    ["fneg", 2, (c, size) => fp.neg(size, n(c, size))],
    ["fsqrt", 3, (c, size) => fp.sqrt(c, size, n(c, size))],
    ...(["n", "p", "m", "z", "a"] as const).map((letter, rounding): [string, number, Run] => [
      `frint${letter}`,
      8 + rounding,
      (c, size) => fp.roundInt(c, size, n(c, size), i32(rounding), false),
    ]),
    ["frintx", 14, (c, size) => fp.roundInt(c, size, n(c, size), fpcrRounding(c), true)],
    ["frinti", 15, (c, size) => fp.roundInt(c, size, n(c, size), fpcrRounding(c), false)],
  ] as [string, number, Run][]
).map(([mnemonic, opcode, run]) =>
  define({
    name: `${mnemonic.toUpperCase()} (scalar)${mnemonic === "fmov" ? " register" : ""}`,
    pattern: `000 11110 ptype:2 1 ${opcode.toString(2).padStart(6, "0")} 10000 Rn:5 Rd:5`,
    statics: { ptype: "ptype" },
    operands: slots.one,
    ...byType,
    execute: (c, { ptype }) => c.setVLow("d", run(c, sizeOfType(ptype))),
    syntax: (f) => `${mnemonic} ${sreg(sizeOf(f), f.Rd)}, ${sreg(sizeOf(f), f.Rn)}`,
  }),
);

/** FRINT32Z, FRINT32X, FRINT64Z, FRINT64X. FEAT_FRINTTS. */
const roundToInteger = [0, 1, 2, 3].map((op) => {
  const mnemonic = `frint${op & 2 ? 64 : 32}${op & 1 ? "x" : "z"}`;
  return define({
    name: `${mnemonic.toUpperCase()} (scalar)`,
    feature: "FEAT_FRINTTS",
    pattern: `000 11110 0 sz 1 0100${op.toString(2).padStart(2, "0")} 10000 Rn:5 Rd:5`,
    statics: { sz: "sz" },
    operands: slots.one,
    fp: true,
    execute: (c, { sz }) =>
      c.setVLow("d", fp.roundIntN(c, 2 + sz, op & 2 ? 64 : 32, n(c, 2 + sz), op & 1 ? fpcrRounding(c) : i32(3))),
    syntax: (f) => `${mnemonic} ${sreg(2 + f.sz, f.Rd)}, ${sreg(2 + f.sz, f.Rn)}`,
  });
});

const convertToBfloat = define({
  name: "BFCVT",
  feature: "FEAT_BF16",
  pattern: "000 11110 01 1 000110 10000 Rn:5 Rd:5",
  operands: slots.one,
  fp: true,
  execute: (c) => c.setVLow("d", fp.toBfloat(c, n(c, 2))),
  syntax: (f) => `bfcvt h${f.Rd}, s${f.Rn}`,
});

/** FCVT between half, single and double. opc names formats as ptype does. */
const convert = define({
  name: "FCVT",
  pattern: "000 11110 ptype:2 1 0001 opc:2 10000 Rn:5 Rd:5",
  statics: { ptype: "ptype", opc: "opc" },
  allocated: ({ ptype, opc }) => ptype !== 2 && opc !== 2 && ptype !== opc,
  operands: slots.one,
  fp: true,
  execute: (c, { ptype, opc }) => {
    const from = sizeOfType(ptype);
    c.setVLow("d", fp.convert(c, from, sizeOfType(opc), fpScalar(c, "n", from)));
  },
  syntax: (f) => `fcvt ${sreg(sizeOfType(f.opc), f.Rd)}, ${sreg(sizeOf(f), f.Rn)}`,
});

const twoSource = (
  [
    ["fmul", (c, size) => fp.binary(c, "mul", size, n(c, size), m(c, size))],
    ["fdiv", (c, size) => fp.binary(c, "div", size, n(c, size), m(c, size))],
    ["fadd", (c, size) => fp.binary(c, "add", size, n(c, size), m(c, size))],
    ["fsub", (c, size) => fp.binary(c, "sub", size, n(c, size), m(c, size))],
    ["fmax", (c, size) => fp.minMax(c, "max", size, n(c, size), m(c, size))],
    ["fmin", (c, size) => fp.minMax(c, "min", size, n(c, size), m(c, size))],
    ["fmaxnm", (c, size) => fp.minMax(c, "maxnm", size, n(c, size), m(c, size))],
    ["fminnm", (c, size) => fp.minMax(c, "minnm", size, n(c, size), m(c, size))],
    ["fnmul", (c, size) => fp.neg(size, fp.binary(c, "mul", size, n(c, size), m(c, size)))],
  ] as [string, Run][]
).map(([mnemonic, run], opcode) =>
  define({
    name: `${mnemonic.toUpperCase()} (scalar)`,
    pattern: `000 11110 ptype:2 1 Rm:5 ${opcode.toString(2).padStart(4, "0")} 10 Rn:5 Rd:5`,
    statics: { ptype: "ptype" },
    operands: slots.two,
    ...byType,
    execute: (c, { ptype }) => c.setVLow("d", run(c, sizeOfType(ptype))),
    syntax: (f) => `${mnemonic} ${sreg(sizeOf(f), f.Rd)}, ${sreg(sizeOf(f), f.Rn)}, ${sreg(sizeOf(f), f.Rm)}`,
  }),
);

/** o1 negates the addend, o0 xor o1 the product. */
const threeSource = (["fmadd", "fmsub", "fnmadd", "fnmsub"] as const).map((mnemonic, index) => {
  const o1 = index >> 1;
  const o0 = index & 1;
  return define({
    name: mnemonic.toUpperCase(),
    pattern: `000 11111 ptype:2 ${o1} Rm:5 ${o0} Ra:5 Rn:5 Rd:5`,
    statics: { ptype: "ptype" },
    operands: slots.three,
    ...byType,
    execute: (c, { ptype }) => {
      const size = sizeOfType(ptype);
      const addend = fpScalar(c, "a", size);
      const factor = n(c, size);
      c.setVLow(
        "d",
        fp.fma(c, size, o1 ? fp.neg(size, addend) : addend, o0 !== o1 ? fp.neg(size, factor) : factor, m(c, size)),
      );
    },
    syntax: (f) =>
      `${mnemonic} ${(["Rd", "Rn", "Rm", "Ra"] as const).map((name) => sreg(sizeOf(f), f[name])).join(", ")}`,
  });
});

const compare = [0, 1].flatMap((signal) =>
  [0, 1].map((withZero) =>
    define({
      name: `FCMP${signal ? "E" : ""}${withZero ? " (zero)" : ""}`,
      // Rm is ignored in the comparison with zero, and should be zero
      pattern: `000 11110 ptype:2 1 ${withZero ? "xxxxx" : "Rm:5"} 00 1000 Rn:5 ${signal}${withZero} 000`,
      statics: { ptype: "ptype" },
      operands: (w) => (withZero ? { n: w.vSlot("Rn") } : { n: w.vSlot("Rn"), m: w.vSlot("Rm") }),
      ...byType,
      execute: (c, { ptype }) =>
        c.setNzcv(
          c.temp(
            fp.compare(
              c,
              signal === 1,
              sizeOfType(ptype),
              n(c, sizeOfType(ptype)),
              withZero ? i64(0) : m(c, sizeOfType(ptype)),
            ),
          ),
        ),
      syntax: (f) => `fcmp${signal ? "e" : ""} ${sreg(sizeOf(f), f.Rn)}, ${withZero ? "#0.0" : sreg(sizeOf(f), f.Rm)}`,
    }),
  ),
);
const conditionalCompare = [0, 1].map((signal) =>
  define({
    name: `FCCMP${signal ? "E" : ""}`,
    pattern: `000 11110 ptype:2 1 Rm:5 cond:4 01 Rn:5 ${signal} nzcv:4`,
    statics: { ptype: "ptype", cond: "cond" },
    operands: (w) => ({ n: w.vSlot("Rn"), m: w.vSlot("Rm"), imm: w.field("nzcv") }),
    ...byType,
    execute: (c, { ptype, cond }) => {
      c.f.if(
        c.condition(cond),
        () =>
          c.setNzcv(
            c.temp(fp.compare(c, signal === 1, sizeOfType(ptype), n(c, sizeOfType(ptype)), m(c, sizeOfType(ptype)))),
          ),
        () => c.setNzcv(c.imm()),
      );
    },
    syntax: (f) =>
      `fccmp${signal ? "e" : ""} ${sreg(sizeOf(f), f.Rn)}, ${sreg(sizeOf(f), f.Rm)}, #0x${f.nzcv.toString(16)}, ${CONDITION_NAME[f.cond]}`,
  }),
);

const conditionalSelect = define({
  name: "FCSEL",
  pattern: "000 11110 ptype:2 1 Rm:5 cond:4 11 Rn:5 Rd:5",
  statics: { ptype: "ptype", cond: "cond" },
  operands: slots.two,
  ...byType,
  execute: (c, { ptype, cond }) =>
    c.setVLow("d", select(c.condition(cond), n(c, sizeOfType(ptype)), m(c, sizeOfType(ptype)))),
  syntax: (f) =>
    `fcsel ${(["Rd", "Rn", "Rm"] as const).map((name) => sreg(sizeOf(f), f[name])).join(", ")}, ${CONDITION_NAME[f.cond]}`,
});

const immediate = define({
  name: "FMOV (scalar, immediate)",
  pattern: "000 11110 ptype:2 1 imm8:8 100 00000 Rd:5",
  statics: { ptype: "ptype" },
  operands: (w) => {
    const imm8 = w.temp(toI64U(w.field("imm8")));
    const value = (size: number) => w.temp(vfpExpandImm(size, imm8));
    const [half, single, double] = [value(1), value(2), value(3)];
    const ptype = w.field("ptype");
    return { d: w.vSlot("Rd"), imm64: select(eqz(ptype), single, select(eq(ptype, HALF), half, double)) };
  },
  ...byType,
  execute: (c) => c.setVLow("d", c.imm64()),
  syntax: (f) => `fmov ${sreg(sizeOf(f), f.Rd)}, #${vfpImmediateText(f.imm8)}`,
});

// --------------------------------------------------------------------------------------------- integer conversions

/** FCVTNS … FCVTZU, FCVTAS, FCVTAU: rmode and opcode. */
const toInteger = (
  [
    ["n", 0, 0],
    ["p", 1, 0],
    ["m", 2, 0],
    ["z", 3, 0],
    ["a", 0, 4],
  ] as const
).flatMap(([letter, rmode, opcode], rounding) =>
  [0, 1].map((unsigned) => {
    const mnemonic = `fcvt${letter}${unsigned ? "u" : "s"}`;
    return define({
      name: `${mnemonic.toUpperCase()} (general)`,
      pattern: `sf 00 11110 ptype:2 1 ${rmode.toString(2).padStart(2, "0")} ${(opcode + unsigned).toString(2).padStart(3, "0")} 000000 Rn:5 Rd:5`,
      statics: { sf: "sf", ptype: "ptype" },
      operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.vSlot("Rn") }),
      ...byType,
      execute: (c, { sf, ptype }) =>
        c.setX(
          "d",
          fp.toFixed(
            c,
            sizeOfType(ptype),
            sf ? 64 : 32,
            unsigned === 1,
            n(c, sizeOfType(ptype)),
            i32(0),
            i32(rounding),
          ),
        ),
      syntax: (f) => `${mnemonic} ${reg(f.sf, f.Rd)}, ${sreg(sizeOf(f), f.Rn)}`,
    });
  }),
);
const fromInteger = [0, 1].map((unsigned) =>
  define({
    name: `${unsigned ? "UCVTF" : "SCVTF"} (general)`,
    pattern: `sf 00 11110 ptype:2 1 00 01${unsigned} 000000 Rn:5 Rd:5`,
    statics: { sf: "sf", ptype: "ptype" },
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.xSlot("Rn") }),
    ...byType,
    execute: (c, { sf, ptype }) =>
      c.setVLow("d", fp.fromFixed(c, sizeOfType(ptype), unsigned === 1, integerOperand(c, sf, unsigned), i32(0))),
    syntax: (f) => `${unsigned ? "ucvtf" : "scvtf"} ${sreg(sizeOf(f), f.Rd)}, ${reg(f.sf, f.Rn)}`,
  }),
);
const integerOperand = (c: Context, sf: number, unsigned: number): Expr<I64> =>
  sf ? c.x("n") : unsigned ? toI64U(c.w("n")) : toI64S(c.w("n"));

/** JavaScript's ToInt32 of a double. FEAT_JSCVT. */
const toInt32Js = define({
  name: "FJCVTZS",
  feature: "FEAT_JSCVT",
  pattern: "0 00 11110 01 1 11 110 000000 Rn:5 Rd:5",
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.vSlot("Rn") }),
  fp: true,
  execute: (c) => {
    const result = c.temp(fp.toInt32Js(c, n(c, 3)));
    c.setW("d", toI32(result));
    c.setNzcv(c.temp(shl(toI32(shrU(result, 32)), 2)));
  },
  syntax: (f) => `fjcvtzs ${reg(0, f.Rd)}, d${f.Rn}`,
});

const fixedPoint = (["scvtf", "ucvtf", "fcvtzs", "fcvtzu"] as const).map((mnemonic, index) => {
  const unsigned = index & 1;
  const toFp = index < 2;
  return define({
    name: `${mnemonic.toUpperCase()} (general, fixed-point)`,
    pattern: `sf 00 11110 ptype:2 0 ${toFp ? "00" : "11"} ${toFp ? "01" : "00"}${unsigned} scale:6 Rn:5 Rd:5`,
    statics: { sf: "sf", ptype: "ptype" },
    // a scale below 32 asks for 33 fraction bits or more
    valid: (w) => or(w.field("sf"), and(w.field("scale"), 32)),
    operands: (w) => ({
      d: toFp ? w.vSlot("Rd") : w.sinkSlot("Rd"),
      n: toFp ? w.xSlot("Rn") : w.vSlot("Rn"),
      imm: sub(i32(64), w.field("scale")),
    }),
    ...byType,
    execute: (c, { sf, ptype }) => {
      if (toFp)
        c.setVLow("d", fp.fromFixed(c, sizeOfType(ptype), unsigned === 1, integerOperand(c, sf, unsigned), c.imm()));
      else
        c.setX(
          "d",
          fp.toFixed(c, sizeOfType(ptype), sf ? 64 : 32, unsigned === 1, n(c, sizeOfType(ptype)), c.imm(), i32(3)),
        );
    },
    syntax: (f) => {
      const general = reg(f.sf, f[toFp ? "Rn" : "Rd"]);
      const float = sreg(sizeOf(f), f[toFp ? "Rd" : "Rn"]);
      return `${mnemonic} ${toFp ? `${float}, ${general}` : `${general}, ${float}`}, #${64 - f.scale}`;
    },
  });
});

/** FMOV between a general register and a vector register, bits unchanged. */
const move: readonly Description[] = [
  define({
    name: "FMOV (general, to W and X)",
    pattern: "sf 00 11110 ptype:2 1 00 110 000000 Rn:5 Rd:5",
    statics: { sf: "sf", ptype: "ptype" },
    allocated: ({ sf, ptype }) => sf === ptype || ptype === HALF,
    feature: byType.feature,
    operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.vSlot("Rn") }),
    fp: true,
    execute: (c, { ptype }) => c.setX("d", fpScalar(c, "n", sizeOfType(ptype))),
    syntax: (f) => `fmov ${reg(f.sf, f.Rd)}, ${sreg(sizeOf(f), f.Rn)}`,
  }),
  define({
    name: "FMOV (general, from W and X)",
    pattern: "sf 00 11110 ptype:2 1 00 111 000000 Rn:5 Rd:5",
    statics: { sf: "sf", ptype: "ptype" },
    allocated: ({ sf, ptype }) => sf === ptype || ptype === HALF,
    feature: byType.feature,
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.xSlot("Rn") }),
    fp: true,
    execute: (c, { sf, ptype }) =>
      c.setVLow("d", ptype === HALF ? and(c.x("n"), 0xffff) : sf ? c.x("n") : toI64U(c.w("n"))),
    syntax: (f) => `fmov ${sreg(sizeOf(f), f.Rd)}, ${reg(f.sf, f.Rn)}`,
  }),
  define({
    name: "FMOV (general, from the top half)",
    pattern: "1 00 11110 10 1 01 110 000000 Rn:5 Rd:5",
    operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.vSlot("Rn") }),
    fp: true,
    execute: (c) => c.setX("d", load("i64", c.vAddress("n"), 8)),
    syntax: (f) => `fmov ${reg(1, f.Rd)}, v${f.Rn}.d[1]`,
  }),
  define({
    name: "FMOV (general, to the top half)",
    pattern: "1 00 11110 10 1 01 111 000000 Rn:5 Rd:5",
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.xSlot("Rn") }),
    fp: true,
    execute: (c) => c.f.store("i64", c.vAddress("d"), c.x("n"), 8),
    syntax: (f) => `fmov v${f.Rd}.d[1], ${reg(1, f.Rn)}`,
  }),
];

export const FP_SCALAR: readonly Description[] = [
  ...oneSource,
  ...roundToInteger,
  convert,
  convertToBfloat,
  ...twoSource,
  ...threeSource,
  ...compare,
  ...conditionalCompare,
  conditionalSelect,
  immediate,
  ...toInteger,
  ...fromInteger,
  toInt32Js,
  ...fixedPoint,
  ...move,
];
