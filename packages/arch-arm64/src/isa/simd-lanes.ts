/**
 * What descriptions of Advanced SIMD instructions share: element access, widths, saturation, names.
 *
 * Element sizes are numbers 0-3, log2 of bytes, as the `size` field has them.
 */
import { L } from "../state/layout.ts";
import {
  add,
  and,
  call,
  type Expr,
  extractLane,
  gtS,
  I32,
  I64,
  i32,
  i64,
  type Local,
  load,
  loadVector,
  ltS,
  or,
  replaceLane,
  select,
  shl,
  simd,
  simdShift,
  simdTest,
  toI32,
  V128,
  v128,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import type { Slot, Word } from "./description.ts";

export const SHAPE = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;
/** A vector instruction of the shape for that element size: `op("add", 2)` is i32x4.add. */
export const op = (name: string, size: number, ...args: Expr[]): Expr<V128> => simd(`${SHAPE[size]}.${name}`, ...args);
export const shift = (
  name: "shl" | "shr_s" | "shr_u",
  size: number,
  a: Expr<V128>,
  count: Expr<I32> | number,
): Expr<V128> => simdShift(`${SHAPE[size]}.${name}`, a, count);

/** A vector whose elements all hold `value`. */
export function splat(size: number, value: bigint): Expr<V128> {
  const bits = BigInt(8 << size);
  let half = 0n;
  for (let at = 0n; at < 64n; at += bits) half |= BigInt.asUintN(Number(bits), value) << at;
  return v128([half, half]);
}
export const zeroVector = (): Expr<V128> => v128([0n, 0n]);
export const vnot = (a: Expr<V128>): Expr<V128> => simd("v128.not", a);
export const vand = (a: Expr<V128>, b: Expr<V128>): Expr<V128> => simd("v128.and", a, b);
/** a AND NOT b */
export const vandnot = (a: Expr<V128>, b: Expr<V128>): Expr<V128> => simd("v128.andnot", a, b);
export const vor = (a: Expr<V128>, b: Expr<V128>): Expr<V128> => simd("v128.or", a, b);
export const vxor = (a: Expr<V128>, b: Expr<V128>): Expr<V128> => simd("v128.xor", a, b);
/** Bits of `a` where `mask` is 1, of `b` where it is 0. */
export const bitselect = (a: Expr<V128>, b: Expr<V128>, mask: Expr<V128>): Expr<V128> =>
  simd("v128.bitselect", a, b, mask);

/** Elements, all ones where a > b unsigned. */
export function gtUnsigned(size: number, a: Expr<V128>, b: Expr<V128>): Expr<V128> {
  if (size < 3) return op("gt_u", size, a, b);
  const flip = splat(3, 1n << 63n);
  return op("gt_s", 3, vxor(a, flip), vxor(b, flip));
}

/** The low `bits` of a register, the rest zero. Named. */
export function readVector(c: Context, slot: Slot, bits: number): Expr<V128> {
  if (bits === 128) return c.temp(c.v(slot));
  if (bits === 64) return c.temp(loadVector("load64_zero", c.vAddress(slot)));
  if (bits === 32) return c.temp(loadVector("load32_zero", c.vAddress(slot)));
  return c.temp(vand(c.v(slot), v128([(1n << BigInt(bits)) - 1n, 0n])));
}
/** The upper half of a register as the low half of the result. Named. */
export function readUpper(c: Context, slot: Slot): Expr<V128> {
  return c.temp(loadVector("load64_zero", c.vAddress(slot), 8));
}
/** Write the low `bits` and zero the rest. */
export function writeVector(c: Context, slot: Slot, bits: number, value: Expr<V128>): void {
  if (bits === 128) {
    c.setV(slot, value);
    return;
  }
  const low = extractLane("i64x2.extract_lane", value, 0);
  c.setVLow(slot, bits === 64 ? low : and(low, (1n << BigInt(bits)) - 1n));
}
/** XTN2 and friends: the low half of `value` into the upper half of the register, the lower half kept; or into the lower half. */
export function writeHalf(c: Context, slot: Slot, upper: number, value: Expr<V128>): void {
  const low = extractLane("i64x2.extract_lane", value, 0);
  if (upper) c.setV(slot, replaceLane("i64x2.replace_lane", c.v(slot), 1, low));
  else c.setVLow(slot, low);
}

const LANE_LOAD = { u: ["i64_8u", "i64_16u", "i64_32u", "i64"], s: ["i64_8s", "i64_16s", "i64_32s", "i64"] } as const;
/** Element `index` of a register, extended to 64 bits. */
export function lane(c: Context, slot: Slot, size: number, index: number, signed = false): Expr<I64> {
  return load((signed ? LANE_LOAD.s : LANE_LOAD.u)[size] as "i64", c.vAddress(slot), index << size);
}
/** The element at a byte offset that the record holds, extended to 64 bits. Named. */
export function laneAt(c: Context, slot: Slot, size: number, byteOffset: Expr<I32>, signed = false): Expr<I64> {
  return c.temp(load((signed ? LANE_LOAD.s : LANE_LOAD.u)[size] as "i64", add(c.vAddress(slot), byteOffset)));
}
/** The vector with one element replaced by the low bits of `value`. */
export function withLane(size: number, vector: Expr<V128>, index: number, value: Expr<I64>): Expr<V128> {
  return replaceLane(`${SHAPE[size] as "i8x16"}.replace_lane`, vector, index, size === 3 ? value : toI32(value));
}
/** A vector of `bits` built element by element. `value` may emit statements. Named. */
export function buildVector(c: Context, bits: number, size: number, value: (index: number) => Expr<I64>): Expr<V128> {
  const result = c.local(V128) as Local<V128>;
  c.f.set(result, zeroVector());
  const count = bits >> (3 + size);
  for (let i = 0; i < count; i++) c.f.set(result, withLane(size, result, i, value(i)));
  return result;
}
/** Make and write a vector element by element. */
export function writeLanes(
  c: Context,
  slot: Slot,
  bits: number,
  size: number,
  value: (index: number) => Expr<I64>,
): void {
  writeVector(c, slot, bits, buildVector(c, bits, size, value));
}

/** Set FPSR.QC. */
export function raiseQc(c: Context): void {
  c.f.store("i32", c.state, or(load("i32", c.state, L.FPSR), 1 << 27), L.FPSR);
}
/** Set FPSR.QC when any bit of the mask is set. */
export function raiseQcIf(c: Context, mask: Expr<V128>): void {
  c.f.if(simdTest("v128.any_true", mask), () => raiseQc(c));
}

/** A helper function that clamps a signed 64-bit number to an element and sets QC: SignedSatQ, UnsignedSatQ. */
export function saturate(c: Context, size: number, unsigned: boolean, value: Expr<I64>): Expr<I64> {
  const bits = BigInt(8 << size);
  const largest = unsigned ? (1n << bits) - 1n : (1n << (bits - 1n)) - 1n;
  const smallest = unsigned ? 0n : -(1n << (bits - 1n));
  const helper = c.helper(`sat.${unsigned ? "u" : "s"}${bits}`, (module) =>
    module.func(`sat.${unsigned ? "u" : "s"}${bits}`, [I32, I64], [I64], (f, s, v) => {
      const over = gtS(v, largest);
      f.if(or(over, ltS(v, smallest)), () => {
        f.store("i32", s, or(load("i32", s, L.FPSR), 1 << 27), L.FPSR);
        f.return(select(over, i64(largest), i64(smallest)));
      });
      f.return(v);
    }),
  );
  return call(helper, c.state, value);
}

/** Address of V<number mod 32>, for register lists. */
export function vAddressOf(c: Context, number: Expr<I32>): Expr<I32> {
  return add(c.state, add(shl(and(number, 31), 4), L.V));
}

/**
 * What differs between a class of half precision, which has no size field, and that of single and double, whose `sz` is a
 * static. Half precision arithmetic is FEAT_FP16.
 */
export const form = (half: boolean) =>
  ({
    sz: half ? { count: 1, of: () => i32(0) } : "sz",
    /** Size of an element, from the fields of a word. */
    sizeOf: (f: { readonly sz?: number }) => (half ? 1 : 2 + (f.sz as number)),
    title: half ? ", half" : "",
    feature: half ? ({ feature: "FEAT_FP16" } as const) : {},
  }) as const;

/** Width in bits of a vector operation: Q. */
export const width = (q: number): number => (q ? 128 : 64);
export const standardSlots = (w: Word<"Rd" | "Rn" | "Rm">) => ({
  d: w.vSlot("Rd"),
  n: w.vSlot("Rn"),
  m: w.vSlot("Rm"),
});
export const unarySlots = (w: Word<"Rd" | "Rn">) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn") });

// ------------------------------------------------------------------------------------------------------- spelling

/** `4s`, `8b`… */
export function arrangement(q: number, size: number): string {
  return `${(q ? 16 : 8) >> size}${"bhsdq"[size]}`;
}
export const vreg = (n: number, suffix: string): string => `v${n}.${suffix}`;
/** B<n>, H<n>, S<n>, D<n>, Q<n>. */
export const sreg = (size: number, n: number): string => `${"bhsdq"[size]}${n}`;
