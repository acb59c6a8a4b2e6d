/**
 * Advanced SIMD three same, three same extra and scalar three same: integer operations.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD three same, scalar three same, three same extra).
 */

import { L } from "../state/layout.ts";
import {
  add,
  and,
  call,
  type Expr,
  eqz,
  geS,
  gtS,
  gtU,
  I32,
  I64,
  i32,
  i64,
  load,
  ltS,
  ltU,
  mul,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  shuffle,
  simd,
  sub,
  V128,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import {
  arrangement,
  bitselect,
  buildVector,
  gtUnsigned,
  lane,
  op,
  raiseQcIf,
  readVector,
  saturate,
  shift,
  splat,
  sreg,
  standardSlots,
  vand,
  vandnot,
  vnot,
  vor,
  vreg,
  vxor,
  width,
  writeLanes,
  writeVector,
  zeroVector,
} from "./simd-lanes.ts";

type Vector = Expr<V128>;
/** The result of an operation on whole vectors whose unused elements are zero. */
type VectorOperation = (c: Context, a: Vector, b: Vector, size: number, bits: number) => Vector;

interface ThreeSame {
  readonly mnemonic: string;
  readonly U: 0 | 1;
  readonly opcode: number;
  /** Element sizes of the vector form. */
  readonly sizes: readonly number[];
  /** Element sizes of the scalar form. */
  readonly scalar?: readonly number[];
  readonly run: VectorOperation;
}

/** The vector form, and the scalar form where there is one. */
function threeSame({ mnemonic, U, opcode, sizes, scalar, run }: ThreeSame): Description[] {
  const code = opcode.toString(2).padStart(5, "0");
  const vector = define({
    name: `${mnemonic.toUpperCase()} (vector)`,
    pattern: `0 Q ${U} 01110 size:2 1 Rm:5 ${code} 1 Rn:5 Rd:5`,
    statics: { Q: "Q", size: "size" },
    allocated: ({ Q, size }) => sizes.includes(size) && (size < 3 || Q === 1),
    operands: standardSlots,
    fp: true,
    execute: (c, { Q, size }) => {
      const bits = width(Q);
      writeVector(c, "d", bits, run(c, readVector(c, "n", bits), readVector(c, "m", bits), size, bits));
    },
    syntax: (f) => {
      const t = arrangement(f.Q, f.size);
      return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}`;
    },
  });
  if (scalar === undefined) return [vector];
  return [
    vector,
    define({
      name: `${mnemonic.toUpperCase()} (scalar)`,
      pattern: `01 ${U} 11110 size:2 1 Rm:5 ${code} 1 Rn:5 Rd:5`,
      statics: { size: "size" },
      allocated: ({ size }) => scalar.includes(size),
      operands: standardSlots,
      fp: true,
      execute: (c, { size }) => {
        const bits = 8 << size;
        writeVector(c, "d", bits, run(c, readVector(c, "n", bits), readVector(c, "m", bits), size, bits));
      },
      syntax: (f) => {
        const size = f.size;
        return `${mnemonic} ${sreg(size, f.Rd)}, ${sreg(size, f.Rn)}, ${sreg(size, f.Rm)}`;
      },
    }),
  ];
}

const ALL = [0, 1, 2, 3];
const BHS = [0, 1, 2];
const HS = [1, 2];
const D = [3];

/** floor((a + b) / 2) and floor((a + b + 1) / 2), without the carry leaving the element. */
const halvingAdd =
  (signed: boolean, rounding: boolean): VectorOperation =>
  (_c, a, b, size) => {
    const half = shift(signed ? "shr_s" : "shr_u", size, vxor(a, b), 1);
    return rounding ? op("sub", size, vor(a, b), half) : op("add", size, vand(a, b), half);
  };
/** floor((a - b) / 2): a - b = (a ^ b) - 2 * (~a & b). */
const halvingSub =
  (signed: boolean): VectorOperation =>
  (_c, a, b, size) =>
    op("sub", size, shift(signed ? "shr_s" : "shr_u", size, vxor(a, b), 1), vandnot(b, a));

/** The largest value for positive a, the smallest for negative. */
const signedLimit = (a: Vector, size: number): Vector =>
  vxor(shift("shr_s", size, a, (8 << size) - 1), splat(size, (1n << BigInt((8 << size) - 1)) - 1n));
const signMask = (a: Vector, size: number): Vector => shift("shr_s", size, a, (8 << size) - 1);

const saturatingAdd =
  (signed: boolean): VectorOperation =>
  (c, a, b, size) => {
    const sum = c.temp(op("add", size, a, b));
    const over = c.temp(signed ? signMask(vand(vxor(a, sum), vxor(b, sum)), size) : gtUnsigned(size, a, sum));
    raiseQcIf(c, over);
    return signed ? bitselect(signedLimit(a, size), sum, over) : vor(sum, over);
  };
const saturatingSub =
  (signed: boolean): VectorOperation =>
  (c, a, b, size) => {
    const difference = c.temp(op("sub", size, a, b));
    const over = c.temp(signed ? signMask(vand(vxor(a, b), vxor(a, difference)), size) : gtUnsigned(size, b, a));
    raiseQcIf(c, over);
    return signed ? bitselect(signedLimit(a, size), difference, over) : vandnot(difference, over);
  };

const greater =
  (signed: boolean): VectorOperation =>
  (_c, a, b, size) =>
    signed ? op("gt_s", size, a, b) : gtUnsigned(size, a, b);
const greaterOrEqual =
  (signed: boolean): VectorOperation =>
  (_c, a, b, size) =>
    vnot(signed ? op("gt_s", size, b, a) : gtUnsigned(size, b, a));
const minMax =
  (name: string): VectorOperation =>
  (_c, a, b, size) =>
    op(name, size, a, b);

export const absoluteDifference = (signed: boolean, a: Vector, b: Vector, size: number): Vector => {
  const s = signed ? "s" : "u";
  return op("sub", size, op(`max_${s}`, size, a, b), op(`min_${s}`, size, a, b));
};

/** Element-wise product; bytes as two products of halfwords. */
export function multiply(a: Vector, b: Vector, size: number): Vector {
  if (size > 0) return op("mul", size, a, b);
  const even = vand(op("mul", 1, a, b), splat(1, 0xffn));
  const odd = shift("shl", 1, op("mul", 1, shift("shr_u", 1, a, 8), shift("shr_u", 1, b, 8)), 8);
  return vor(even, odd);
}

/** Polynomial product of bytes, low 8 bits. */
const polynomialMultiply: VectorOperation = (c, a, b) => {
  const result = c.local(V128);
  const addend = c.local(V128);
  const f = c.f;
  f.set(result as never, zeroVector());
  f.set(addend as never, a);
  for (let bit = 0; bit < 8; bit++) {
    const chosen = op("lt_s", 0, shift("shl", 0, b, 7 - bit), zeroVector());
    f.set(result as never, vxor(result, vand(addend, chosen)));
    if (bit < 7) f.set(addend as never, shift("shl", 0, addend, 1));
  }
  return result;
};

/** Shift by a signed count in the low byte of each element: SSHL, USHL and the rounding and saturating ones. */
function shiftHelper(c: Context, size: number, signed: boolean, rounding: boolean, saturating: boolean) {
  const bits = 8 << size;
  const name = `shift.${signed ? "s" : "u"}${bits}${rounding ? ".r" : ""}${saturating ? ".q" : ""}`;
  return c.helper(name, (module) =>
    // (state, element extended to 64 bits, count extended to 64 bits) -> element
    module.func(name, [I32, I64, I64], [I64], (f, s, x, count) => {
      f.if(ltS(count, 0), () => {
        const n = f.temp(sub(i64(0), count));
        const shifted = signed ? shrS(x, n) : shrU(x, n);
        if (rounding) {
          const last = and(shrU(x, sub(n, 1)), 1);
          f.if(ltU(n, 64), () => f.return(add(shifted, last)));
          // rounded away but for the top bit of an unsigned doubleword
          f.return(signed ? i64(0) : select(eqz(sub(n, 64)), shrU(x, 63), 0));
          return;
        }
        f.if(ltU(n, 64), () => f.return(shifted));
        f.return(signed ? shrS(x, 63) : i64(0));
      });
      if (!saturating) {
        f.return(select(ltU(count, 64), shl(x, count), 0));
        return;
      }
      const limit = signed
        ? select(ltS(x, 0), i64(-(1n << BigInt(bits - 1))), i64((1n << BigInt(bits - 1)) - 1n))
        : i64((1n << BigInt(bits)) - 1n);
      f.if(eqz(x), () => f.return(0));
      const shifted = f.temp(shl(x, count));
      const lost = geS(count, bits);
      const wrapped =
        bits === 64
          ? ne(signed ? shrS(shifted, count) : shrU(shifted, count), x)
          : signed
            ? or(gtS(shifted, (1n << BigInt(bits - 1)) - 1n), ltS(shifted, -(1n << BigInt(bits - 1))))
            : gtU(shifted, (1n << BigInt(bits)) - 1n);
      f.if(or(lost, wrapped), () => {
        f.store("i32", s, or(load("i32", s, L.FPSR), 1 << 27), L.FPSR);
        f.return(limit);
      });
      f.return(shifted);
    }),
  );
}
const shiftByRegister =
  (signed: boolean, rounding: boolean, saturating: boolean): VectorOperation =>
  (c, _a, _b, size, bits) => {
    const helper = shiftHelper(c, size, signed, rounding, saturating);
    return buildVector(c, bits, size, (i) =>
      call<I64>(helper, c.state, lane(c, "n", size, i, signed), load("i64_8s", c.vAddress("m"), i << size)),
    );
  };

/** SQDMULH, SQRDMULH: the high half of the doubled product. */
export function doublingMultiplyHigh(
  c: Context,
  size: number,
  rounding: boolean,
  a: Expr<I64>,
  b: Expr<I64>,
  accumulator?: Expr<I64>,
  subtract = false,
): Expr<I64> {
  const bits = 8 << size;
  let product: Expr<I64> = mul(a, b);
  if (accumulator !== undefined)
    product = subtract ? sub(shl(accumulator, bits - 1), product) : add(shl(accumulator, bits - 1), product);
  if (rounding) product = add(product, 1 << (bits - 2));
  return saturate(c, size, false, shrS(product, bits - 1));
}
const multiplyHigh =
  (rounding: boolean): VectorOperation =>
  (c, _a, _b, size, bits) =>
    buildVector(c, bits, size, (i) =>
      doublingMultiplyHigh(c, size, rounding, lane(c, "n", size, i, true), lane(c, "m", size, i, true)),
    );

/** Pairs of n, then pairs of m: elements 0, 2, 4… and 1, 3, 5… of the concatenation. */
export function pairs(a: Vector, b: Vector, size: number, bits: number): [even: Vector, odd: Vector] {
  const bytes = 1 << size;
  const half = bits >> 3;
  const pick = (odd: number) =>
    Array.from({ length: 16 }, (_, at) => {
      if (at >= half) return 0;
      const source = 2 * (at >> size) + odd;
      const position = source * bytes + (at % bytes);
      return position < half ? position : 16 + position - half;
    });
  return [shuffle(a, b, pick(0)), shuffle(a, b, pick(1))];
}
const pairwise =
  (name: string): VectorOperation =>
  (c, a, b, size, bits) => {
    const [even, odd] = pairs(a, b, size, bits);
    return op(name, size, c.temp(even), c.temp(odd));
  };

const signedAndUnsigned = (
  names: readonly [string, string],
  opcode: number,
  sizes: readonly number[],
  make: (signed: boolean) => VectorOperation,
  scalar?: readonly number[],
): Description[] =>
  names.flatMap((mnemonic, U) =>
    threeSame({ mnemonic, U: U as 0 | 1, opcode, sizes, run: make(U === 0), ...(scalar && { scalar }) }),
  );

/** The bitwise operations: `size` selects one. */
const LOGIC: readonly [string, 0 | 1, number, (a: Vector, b: Vector, d: Vector) => Vector][] = [
  ["and", 0, 0, (a, b) => vand(a, b)],
  ["bic", 0, 1, (a, b) => vandnot(a, b)],
  ["orr", 0, 2, (a, b) => vor(a, b)],
  ["orn", 0, 3, (a, b) => vor(a, vnot(b))],
  ["eor", 1, 0, (a, b) => vxor(a, b)],
  ["bsl", 1, 1, (a, b, d) => bitselect(a, b, d)],
  ["bit", 1, 2, (a, b, d) => bitselect(a, d, b)],
  ["bif", 1, 3, (a, b, d) => bitselect(d, a, b)],
];
const logic = LOGIC.map(([mnemonic, U, size, run]) =>
  define({
    name: `${mnemonic.toUpperCase()} (vector)`,
    pattern: `0 Q ${U} 01110 ${size.toString(2).padStart(2, "0")} 1 Rm:5 00011 1 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: standardSlots,
    fp: true,
    execute: (c, { Q }) => writeVector(c, "d", width(Q), run(c.v("n"), c.v("m"), c.v("d"))),
    syntax: (f) => {
      const t = arrangement(f.Q, 0);
      return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}`;
    },
  }),
);

/** SQRDMLAH, SQRDMLSH. FEAT_RDM. */
const multiplyHighAccumulate = [0, 1].flatMap((S) => {
  const mnemonic = S ? "sqrdmlsh" : "sqrdmlah";
  return [0, 1].map((scalar) =>
    define({
      name: `${mnemonic.toUpperCase()} (${scalar ? "scalar" : "vector"})`,
      pattern: scalar
        ? `01 1 11110 size:2 0 Rm:5 1000${S} 1 Rn:5 Rd:5`
        : `0 Q 1 01110 size:2 0 Rm:5 1000${S} 1 Rn:5 Rd:5`,

      feature: "FEAT_RDM",
      statics: { Q: scalar ? { count: 1, of: () => i32(0) } : "Q", size: "size" },
      allocated: ({ size }) => HS.includes(size),
      operands: standardSlots,
      fp: true,
      execute: (c, { Q, size }) =>
        writeLanes(c, "d", scalar ? 8 << size : width(Q), size, (i) =>
          doublingMultiplyHigh(
            c,
            size,
            true,
            lane(c, "n", size, i, true),
            lane(c, "m", size, i, true),
            lane(c, "d", size, i, true),
            S === 1,
          ),
        ),
      syntax: (f) => {
        const size = f.size;
        const name = (n: number) => (scalar ? sreg(size, n) : vreg(n, arrangement(f.Q, size)));
        return `${mnemonic} ${name(f.Rd)}, ${name(f.Rn)}, ${name(f.Rm)}`;
      },
    }),
  );
});

/** Four products of bytes added to a word. FEAT_DotProd. */
export function dotProduct(c: Context, signed: boolean, a: Vector, b: Vector, accumulator: Vector): Vector {
  const s = signed ? "s" : "u";
  const product = (half: string) => {
    const p = c.temp(simd(`i16x8.extmul_${half}_i8x16_${s}`, a, b));
    return simd(`i32x4.extadd_pairwise_i16x8_${s}`, p);
  };
  const [even, odd] = pairs(c.temp(product("low")), c.temp(product("high")), 2, 128);
  return op("add", 2, accumulator, op("add", 2, even, odd));
}
const dot = [0, 1].map((U) =>
  define({
    name: `${U ? "UDOT" : "SDOT"} (vector)`,
    feature: "FEAT_DotProd",
    pattern: `0 Q ${U} 01110 10 0 Rm:5 100101 Rn:5 Rd:5`,
    statics: { Q: "Q" },
    operands: standardSlots,
    fp: true,
    execute: (c, { Q }) =>
      writeVector(c, "d", width(Q), dotProduct(c, U === 0, c.temp(c.v("n")), c.temp(c.v("m")), c.v("d"))),
    syntax: (f) =>
      `${U ? "udot" : "sdot"} ${vreg(f.Rd, arrangement(f.Q, 2))}, ${vreg(f.Rn, arrangement(f.Q, 0))}, ${vreg(f.Rm, arrangement(f.Q, 0))}`,
  }),
);

export const SIMD_THREE_SAME: readonly Description[] = [
  ...signedAndUnsigned(["shadd", "uhadd"], 0b00000, BHS, (signed) => halvingAdd(signed, false)),
  ...signedAndUnsigned(["sqadd", "uqadd"], 0b00001, ALL, saturatingAdd, ALL),
  ...signedAndUnsigned(["srhadd", "urhadd"], 0b00010, BHS, (signed) => halvingAdd(signed, true)),
  ...logic,
  ...signedAndUnsigned(["shsub", "uhsub"], 0b00100, BHS, halvingSub),
  ...signedAndUnsigned(["sqsub", "uqsub"], 0b00101, ALL, saturatingSub, ALL),
  ...signedAndUnsigned(["cmgt", "cmhi"], 0b00110, ALL, greater, D),
  ...signedAndUnsigned(["cmge", "cmhs"], 0b00111, ALL, greaterOrEqual, D),
  ...signedAndUnsigned(["sshl", "ushl"], 0b01000, ALL, (signed) => shiftByRegister(signed, false, false), D),
  ...signedAndUnsigned(["sqshl", "uqshl"], 0b01001, ALL, (signed) => shiftByRegister(signed, false, true), ALL),
  ...signedAndUnsigned(["srshl", "urshl"], 0b01010, ALL, (signed) => shiftByRegister(signed, true, false), D),
  ...signedAndUnsigned(["sqrshl", "uqrshl"], 0b01011, ALL, (signed) => shiftByRegister(signed, true, true), ALL),
  ...signedAndUnsigned(["smax", "umax"], 0b01100, BHS, (signed) => minMax(signed ? "max_s" : "max_u")),
  ...signedAndUnsigned(["smin", "umin"], 0b01101, BHS, (signed) => minMax(signed ? "min_s" : "min_u")),
  ...signedAndUnsigned(
    ["sabd", "uabd"],
    0b01110,
    BHS,
    (signed) => (_c, a, b, size) => absoluteDifference(signed, a, b, size),
  ),
  ...signedAndUnsigned(
    ["saba", "uaba"],
    0b01111,
    BHS,
    (signed) => (c, a, b, size) => op("add", size, c.v("d"), absoluteDifference(signed, a, b, size)),
  ),
  ...threeSame({
    mnemonic: "add",
    U: 0,
    opcode: 0b10000,
    sizes: ALL,
    scalar: D,
    run: (_c, a, b, size) => op("add", size, a, b),
  }),
  ...threeSame({
    mnemonic: "sub",
    U: 1,
    opcode: 0b10000,
    sizes: ALL,
    scalar: D,
    run: (_c, a, b, size) => op("sub", size, a, b),
  }),
  ...threeSame({
    mnemonic: "cmtst",
    U: 0,
    opcode: 0b10001,
    sizes: ALL,
    scalar: D,
    run: (_c, a, b, size) => op("ne", size, vand(a, b), zeroVector()),
  }),
  ...threeSame({
    mnemonic: "cmeq",
    U: 1,
    opcode: 0b10001,
    sizes: ALL,
    scalar: D,
    run: (_c, a, b, size) => op("eq", size, a, b),
  }),
  ...threeSame({
    mnemonic: "mla",
    U: 0,
    opcode: 0b10010,
    sizes: BHS,
    run: (c, a, b, size) => op("add", size, c.v("d"), multiply(a, b, size)),
  }),
  ...threeSame({
    mnemonic: "mls",
    U: 1,
    opcode: 0b10010,
    sizes: BHS,
    run: (c, a, b, size) => op("sub", size, c.v("d"), multiply(a, b, size)),
  }),
  ...threeSame({ mnemonic: "mul", U: 0, opcode: 0b10011, sizes: BHS, run: (_c, a, b, size) => multiply(a, b, size) }),
  ...threeSame({ mnemonic: "pmul", U: 1, opcode: 0b10011, sizes: [0], run: polynomialMultiply }),
  ...signedAndUnsigned(["smaxp", "umaxp"], 0b10100, BHS, (signed) => pairwise(signed ? "max_s" : "max_u")),
  ...signedAndUnsigned(["sminp", "uminp"], 0b10101, BHS, (signed) => pairwise(signed ? "min_s" : "min_u")),
  ...threeSame({ mnemonic: "sqdmulh", U: 0, opcode: 0b10110, sizes: HS, scalar: HS, run: multiplyHigh(false) }),
  ...threeSame({ mnemonic: "sqrdmulh", U: 1, opcode: 0b10110, sizes: HS, scalar: HS, run: multiplyHigh(true) }),
  ...threeSame({ mnemonic: "addp", U: 0, opcode: 0b10111, sizes: ALL, run: pairwise("add") }),
  ...multiplyHighAccumulate,
  ...dot,
];
