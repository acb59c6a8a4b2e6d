/**
 * Advanced SIMD three different (widening and narrowing) and scalar three different.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD three different, scalar three different).
 */
import {
  add,
  and,
  type Expr,
  emitExpr,
  extractLane,
  I64,
  i64,
  mul,
  ne,
  neg,
  replaceLane,
  shl,
  shrU,
  shuffle,
  simd,
  sub,
  type V128,
  v128,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import {
  arrangement,
  bitselect,
  lane,
  op,
  raiseQcIf,
  readUpper,
  readVector,
  saturate,
  shift,
  splat,
  sreg,
  standardSlots,
  vand,
  vreg,
  vxor,
  writeHalf,
  zeroVector,
} from "./simd-lanes.ts";
import { absoluteDifference } from "./simd-three-same.ts";

type Vector = Expr<V128>;

/** The low half of the elements, each twice as wide. Source elements of `size`. */
export function widen(signed: boolean, a: Vector, size: number): Vector {
  return simd(
    `${["i16x8", "i32x4", "i64x2"][size]}.extend_low_${["i8x16", "i16x8", "i32x4"][size]}_${signed ? "s" : "u"}`,
    a,
  );
}
/** Products of the low halves, twice as wide. */
export function widenMultiply(signed: boolean, a: Vector, b: Vector, size: number): Vector {
  return simd(
    `${["i16x8", "i32x4", "i64x2"][size]}.extmul_low_${["i8x16", "i16x8", "i32x4"][size]}_${signed ? "s" : "u"}`,
    a,
    b,
  );
}
/** The source half that Q names, in the low half. */
export function readHalf(c: Context, slot: "n" | "m", Q: number): Vector {
  return Q ? readUpper(c, slot) : readVector(c, slot, 64);
}
/** Upper halves of elements twice as wide as `size`, packed into the low half. */
export function narrowHigh(a: Vector, size: number, high: boolean): Vector {
  const bytes = 1 << size;
  return shuffle(
    a,
    a,
    Array.from({ length: 16 }, (_, at) => (at < 8 ? 2 * bytes * (at >> size) + (high ? bytes : 0) + (at % bytes) : 0)),
  );
}
export const packLow = (a: Vector, size: number): Vector => narrowHigh(a, size, false);

/** Signed saturating doubling of a widened product: only the smallest value overflows. */
export function saturatingDouble(c: Context, product: Vector, wide: number): Vector {
  const smallest = splat(wide, 1n << BigInt((8 << wide) - 2));
  const over = c.temp(op("eq", wide, product, smallest));
  raiseQcIf(c, over);
  return bitselect(splat(wide, (1n << BigInt((8 << wide) - 1)) - 1n), shift("shl", wide, product, 1), over);
}
/** Signed saturating addition or subtraction of vectors. */
export function saturatingAccumulate(c: Context, a: Vector, b: Vector, wide: number, subtract: boolean): Vector {
  const r = c.temp(op(subtract ? "sub" : "add", wide, a, b));
  const over = c.temp(
    shift("shr_s", wide, subtract ? vand(vxor(a, b), vxor(a, r)) : vand(vxor(a, r), vxor(b, r)), (8 << wide) - 1),
  );
  raiseQcIf(c, over);
  const limit = vxor(shift("shr_s", wide, a, (8 << wide) - 1), splat(wide, (1n << BigInt((8 << wide) - 1)) - 1n));
  return bitselect(limit, r, over);
}

type Kind = "long" | "wide" | "narrow";
interface ThreeDifferent {
  readonly mnemonic: string;
  readonly U: number;
  readonly opcode: number;
  readonly kind: Kind;
  readonly sizes: readonly number[];
  /** a and b: low halves of elements of `size` (long), or a of twice the size (wide), or both (narrow: gives the packed low half). */
  readonly run: (c: Context, a: Vector, b: Vector, size: number) => Vector;
}

function threeDifferent({ mnemonic, U, opcode, kind, sizes, run }: ThreeDifferent): Description {
  return define({
    name: mnemonic.toUpperCase(),
    pattern: `0 Q ${U} 01110 size:2 1 Rm:5 ${opcode.toString(2).padStart(4, "0")} 00 Rn:5 Rd:5`,
    statics: { Q: "Q", size: "size" },
    allocated: ({ size }) => sizes.includes(size),
    // of doublewords only PMULL has a form
    feature: ({ size }) => (size === 3 ? "FEAT_PMULL" : undefined),
    operands: standardSlots,
    fp: true,
    execute: (c, { Q, size }) => {
      const a = kind === "long" ? readHalf(c, "n", Q) : readVector(c, "n", 128);
      const b = kind === "narrow" ? readVector(c, "m", 128) : readHalf(c, "m", Q);
      const result = run(c, a, b, size);
      if (kind === "narrow") writeHalf(c, "d", Q, result);
      else c.setV("d", result);
    },
    syntax: (f) => {
      const size = f.size;
      const half = arrangement(f.Q, size);
      const full = size === 3 ? "1q" : arrangement(1, size + 1);
      const [d, n, m] =
        kind === "long" ? [full, half, half] : kind === "wide" ? [full, full, half] : [half, full, full];
      return `${mnemonic}${f.Q ? "2" : ""} ${vreg(f.Rd, d)}, ${vreg(f.Rn, n)}, ${vreg(f.Rm, m)}`;
    },
  });
}
const both = (
  names: readonly [string, string],
  opcode: number,
  kind: Kind,
  run: (signed: boolean) => ThreeDifferent["run"],
): Description[] =>
  names.map((mnemonic, U) => threeDifferent({ mnemonic, U, opcode, kind, sizes: [0, 1, 2], run: run(U === 0) }));

const highHalf =
  (name: "add" | "sub", rounding: boolean): ThreeDifferent["run"] =>
  (c, a, b, size) => {
    let r = op(name, size + 1, a, b);
    if (rounding) r = op("add", size + 1, r, splat(size + 1, 1n << BigInt((8 << size) - 1)));
    return narrowHigh(c.temp(r), size, true);
  };
const accumulated = (c: Context, subtract: boolean, value: Vector, size: number): Vector =>
  op(subtract ? "sub" : "add", size + 1, c.v("d"), value);

/** 64 by 64 bits to 128, polynomials over GF(2). */
function polynomial64(c: Context, a: Expr<I64>, b: Expr<I64>): Vector {
  const helper = c.helper("pmull64", (module) =>
    module.func("pmull64", [I64, I64], [I64, I64], (f, x, y) => {
      const low = f.local(I64);
      const high = f.local(I64);
      const bit = f.local(I64);
      f.loop((again) => {
        const chosen = f.temp(neg(and(shrU(y, bit), 1)));
        f.set(low, xor(low, and(shl(x, bit), chosen)));
        // x >> (64 - bit), and 0 for bit 0
        f.set(high, xor(high, and(shrU(shrU(x, 1), sub(i64(63), bit)), chosen)));
        f.set(bit, add(bit, 1));
        f.brIf(ne(bit, 64), again);
      });
      emitExpr(low, f.code);
      emitExpr(high, f.code);
      f.return();
    }),
  );
  const low = c.local(I64);
  const high = c.local(I64);
  c.f.call(helper, [a, b], [low as never, high as never]);
  return vectorOf(low, high);
}
const vectorOf = (low: Expr<I64>, high: Expr<I64>): Vector =>
  replaceLane("i64x2.replace_lane", simd("i64x2.splat", low), 1, high);

const polynomialLong: ThreeDifferent["run"] = (c, a, b, size) => {
  if (size === 3)
    return polynomial64(
      c,
      c.temp(extractLane("i64x2.extract_lane", a, 0)),
      c.temp(extractLane("i64x2.extract_lane", b, 0)),
    );
  const wideA = c.temp(widen(false, a, 0));
  const wideB = c.temp(widen(false, b, 0));
  let result = zeroVector();
  for (let bit = 0; bit < 8; bit++) {
    const chosen = shift("shr_s", 1, shift("shl", 1, wideB, 15 - bit), 15);
    result = c.temp(vxor(result, vand(shift("shl", 1, wideA, bit), chosen)));
  }
  return result;
};

const doublingLong =
  (accumulate: -1 | 0 | 1): ThreeDifferent["run"] =>
  (c, a, b, size) => {
    const product = c.temp(saturatingDouble(c, c.temp(widenMultiply(true, a, b, size)), size + 1));
    if (accumulate === 0) return product;
    return saturatingAccumulate(c, c.temp(c.v("d")), product, size + 1, accumulate < 0);
  };
const DOUBLING = [
  ["sqdmlal", 0b1001, 1],
  ["sqdmlsl", 0b1011, -1],
  ["sqdmull", 0b1101, 0],
] as const;

/** One element of SQDMLAL and friends. */
export function doublingLongScalar(
  c: Context,
  a: Expr<I64>,
  b: Expr<I64>,
  size: number,
  accumulate: -1 | 0 | 1,
  accumulator: () => Expr<I64>,
): Expr<I64> {
  const wide = size + 1;
  const product = c.temp(mul(a, b));
  if (wide === 2) {
    const doubled = c.temp(saturate(c, 2, false, shl(product, 1)));
    if (accumulate === 0) return doubled;
    return saturate(c, 2, false, accumulate > 0 ? add(accumulator(), doubled) : sub(accumulator(), doubled));
  }
  // 64 bits: in a vector, where saturation does not need 65
  const asVector = (e: Expr<I64>) => c.temp(vand(simd("i64x2.splat", e), splatLow()));
  const doubled = c.temp(saturatingDouble(c, asVector(product), 3));
  const result =
    accumulate === 0 ? doubled : saturatingAccumulate(c, asVector(accumulator()), doubled, 3, accumulate < 0);
  return c.temp(extractLane("i64x2.extract_lane", result, 0));
}
const splatLow = (): Vector => v128([-1n, 0n]);

const scalarDoubling = DOUBLING.map(([mnemonic, opcode, accumulate]) =>
  define({
    name: `${mnemonic.toUpperCase()} (scalar)`,
    pattern: `01 0 11110 size:2 1 Rm:5 ${opcode.toString(2)} 00 Rn:5 Rd:5`,
    statics: { size: "size" },
    allocated: ({ size }) => size === 1 || size === 2,
    operands: standardSlots,
    fp: true,
    execute: (c, { size }) => {
      const r = doublingLongScalar(c, lane(c, "n", size, 0, true), lane(c, "m", size, 0, true), size, accumulate, () =>
        lane(c, "d", size + 1, 0, true),
      );
      c.setVLow("d", size === 1 ? and(r, 0xffff_ffff) : r);
    },
    syntax: (f) => `${mnemonic} ${sreg(f.size + 1, f.Rd)}, ${sreg(f.size, f.Rn)}, ${sreg(f.size, f.Rm)}`,
  }),
);

export const SIMD_THREE_DIFFERENT: readonly Description[] = [
  ...both(
    ["saddl", "uaddl"],
    0b0000,
    "long",
    (signed) => (_c, a, b, size) => op("add", size + 1, widen(signed, a, size), widen(signed, b, size)),
  ),
  ...both(
    ["saddw", "uaddw"],
    0b0001,
    "wide",
    (signed) => (_c, a, b, size) => op("add", size + 1, a, widen(signed, b, size)),
  ),
  ...both(
    ["ssubl", "usubl"],
    0b0010,
    "long",
    (signed) => (_c, a, b, size) => op("sub", size + 1, widen(signed, a, size), widen(signed, b, size)),
  ),
  ...both(
    ["ssubw", "usubw"],
    0b0011,
    "wide",
    (signed) => (_c, a, b, size) => op("sub", size + 1, a, widen(signed, b, size)),
  ),
  ...(["addhn", "raddhn"] as const).map((mnemonic, U) =>
    threeDifferent({ mnemonic, U, opcode: 0b0100, kind: "narrow", sizes: [0, 1, 2], run: highHalf("add", U === 1) }),
  ),
  ...both(
    ["sabal", "uabal"],
    0b0101,
    "long",
    (signed) => (c, a, b, size) =>
      accumulated(c, false, widen(false, absoluteDifference(signed, a, b, size), size), size),
  ),
  ...(["subhn", "rsubhn"] as const).map((mnemonic, U) =>
    threeDifferent({ mnemonic, U, opcode: 0b0110, kind: "narrow", sizes: [0, 1, 2], run: highHalf("sub", U === 1) }),
  ),
  ...both(
    ["sabdl", "uabdl"],
    0b0111,
    "long",
    (signed) => (_c, a, b, size) => widen(false, absoluteDifference(signed, a, b, size), size),
  ),
  ...both(
    ["smlal", "umlal"],
    0b1000,
    "long",
    (signed) => (c, a, b, size) => accumulated(c, false, widenMultiply(signed, a, b, size), size),
  ),
  ...both(
    ["smlsl", "umlsl"],
    0b1010,
    "long",
    (signed) => (c, a, b, size) => accumulated(c, true, widenMultiply(signed, a, b, size), size),
  ),
  ...both(["smull", "umull"], 0b1100, "long", (signed) => (_c, a, b, size) => widenMultiply(signed, a, b, size)),
  ...DOUBLING.map(([mnemonic, opcode, accumulate]) =>
    threeDifferent({ mnemonic, U: 0, opcode, kind: "long", sizes: [1, 2], run: doublingLong(accumulate) }),
  ),
  threeDifferent({ mnemonic: "pmull", U: 0, opcode: 0b1110, kind: "long", sizes: [0, 3], run: polynomialLong }),
  ...scalarDoubling,
];
