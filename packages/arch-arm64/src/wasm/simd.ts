/**
 * SIMD128 instructions by the name that the specification gives them: `simd("i8x16.add", a, b)`.
 *
 * Source: WebAssembly Core Specification 2.0 §5.4.8 (vector instructions).
 */
import { F32, F64, I32, I64, V128, type ValueType } from "./encoding.ts";
import { Expr, i32, type Operand, simdMemoryNode, simdNode } from "./expr.ts";

/** Names from `first` on; "" leaves an opcode out. */
function sequence(first: number, names: string): [string, number][] {
  return names
    .split(" ")
    .map((name, i): [string, number] => [name, first + i])
    .filter(([name]) => name !== "-");
}
const INT_COMPARE = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".split(" ");
const FLOAT_COMPARE = "eq ne lt gt le ge".split(" ");
const shaped = (shape: string, names: readonly string[]) => names.map((name) => `${shape}.${name}`).join(" ");

/** Opcodes whose operands are all v128, except the count of a shift and the scalar of a splat. */
const OPCODES: ReadonlyMap<string, number> = new Map([
  ...sequence(0x0e, "i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat"),
  ...sequence(0x23, shaped("i8x16", INT_COMPARE)),
  ...sequence(0x2d, shaped("i16x8", INT_COMPARE)),
  ...sequence(0x37, shaped("i32x4", INT_COMPARE)),
  ...sequence(0x41, shaped("f32x4", FLOAT_COMPARE)),
  ...sequence(0x47, shaped("f64x2", FLOAT_COMPARE)),
  ...sequence(0x4d, "v128.not v128.and v128.andnot v128.or v128.xor v128.bitselect v128.any_true"),
  ...sequence(0x5e, "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4"),
  ...sequence(
    0x60,
    "i8x16.abs i8x16.neg i8x16.popcnt i8x16.all_true i8x16.bitmask i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u",
  ),
  ...sequence(0x67, "f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest i8x16.shl i8x16.shr_s i8x16.shr_u i8x16.add"),
  ...sequence(0x6f, "i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u f64x2.ceil f64x2.floor"),
  ...sequence(0x76, "i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u f64x2.trunc i8x16.avgr_u"),
  ...sequence(
    0x7c,
    "i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u",
  ),
  ...sequence(
    0x80,
    "i16x8.abs i16x8.neg i16x8.q15mulr_sat_s i16x8.all_true i16x8.bitmask i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u",
  ),
  ...sequence(
    0x87,
    "i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u",
  ),
  ...sequence(
    0x8b,
    "i16x8.shl i16x8.shr_s i16x8.shr_u i16x8.add i16x8.add_sat_s i16x8.add_sat_u i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u",
  ),
  ...sequence(0x94, "f64x2.nearest i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u"),
  ...sequence(
    0x9c,
    "i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u",
  ),
  ...sequence(0xa0, "i32x4.abs i32x4.neg - i32x4.all_true i32x4.bitmask"),
  ...sequence(
    0xa7,
    "i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u",
  ),
  ...sequence(
    0xab,
    "i32x4.shl i32x4.shr_s i32x4.shr_u i32x4.add - - i32x4.sub - - - i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s",
  ),
  ...sequence(
    0xbc,
    "i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u",
  ),
  ...sequence(0xc0, "i64x2.abs i64x2.neg - i64x2.all_true i64x2.bitmask"),
  ...sequence(
    0xc7,
    "i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u",
  ),
  ...sequence(0xcb, "i64x2.shl i64x2.shr_s i64x2.shr_u i64x2.add - - i64x2.sub - - - i64x2.mul"),
  ...sequence(0xd6, "i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s i64x2.ge_s"),
  ...sequence(
    0xdc,
    "i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u",
  ),
  ...sequence(
    0xe0,
    "f32x4.abs f32x4.neg - f32x4.sqrt f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax",
  ),
  ...sequence(
    0xec,
    "f64x2.abs f64x2.neg - f64x2.sqrt f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax",
  ),
  ...sequence(0xf8, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u"),
  ...sequence(
    0xfc,
    "i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u",
  ),
]);
const GIVES_I32 = /(any_true|all_true|bitmask)$/;

/** A vector instruction without immediate that gives a vector. Shifts take an i32 count, splats a scalar. */
export function simd(name: string, ...args: Expr[]): Expr<V128> {
  const op = OPCODES.get(name);
  if (op === undefined || GIVES_I32.test(name)) throw new TypeError(`wasm has no vector instruction ${name}`);
  return simdNode(V128, op, args, -1);
}
/** v128.any_true, <shape>.all_true and <shape>.bitmask: an i32. */
export function simdTest(name: string, a: Expr<V128>): Expr<I32> {
  const op = OPCODES.get(name);
  if (op === undefined || !GIVES_I32.test(name)) throw new TypeError(`wasm has no vector test ${name}`);
  return simdNode(I32, op, [a], -1);
}
/** Bytes of the concatenation a:b (a is 0-15, b is 16-31), chosen at generation time. */
export function shuffle(a: Expr<V128>, b: Expr<V128>, lanes: ArrayLike<number>): Expr<V128> {
  return simdNode(V128, 0x0d, [a, b], -1, Uint8Array.from(lanes));
}
/** A shift by a count, taken modulo the lane width: `simdShift("i16x8.shl", v, 3)`. */
export function simdShift(name: string, a: Expr<V128>, count: Operand<I32>): Expr<V128> {
  return simd(name, a, count instanceof Expr ? count : i32(count));
}

const EXTRACT = {
  "i8x16.extract_lane_s": [0x15, I32],
  "i8x16.extract_lane_u": [0x16, I32],
  "i16x8.extract_lane_s": [0x18, I32],
  "i16x8.extract_lane_u": [0x19, I32],
  "i32x4.extract_lane": [0x1b, I32],
  "i64x2.extract_lane": [0x1d, I64],
  "f32x4.extract_lane": [0x1f, F32],
  "f64x2.extract_lane": [0x21, F64],
} as const;
/** One lane as a scalar; the lane is fixed at generation time. */
export function extractLane<N extends keyof typeof EXTRACT>(
  name: N,
  a: Expr<V128>,
  lane: number,
): Expr<(typeof EXTRACT)[N][1]> {
  const [op, type] = EXTRACT[name];
  return simdNode(type as (typeof EXTRACT)[N][1], op, [a], lane);
}
const REPLACE = {
  "i8x16.replace_lane": 0x17,
  "i16x8.replace_lane": 0x1a,
  "i32x4.replace_lane": 0x1c,
  "i64x2.replace_lane": 0x1e,
  "f32x4.replace_lane": 0x20,
  "f64x2.replace_lane": 0x22,
} as const;
/** The vector with one lane replaced; the lane is fixed at generation time. */
export function replaceLane(
  name: keyof typeof REPLACE,
  a: Expr<V128>,
  lane: number,
  value: Expr<ValueType>,
): Expr<V128> {
  return simdNode(V128, REPLACE[name], [a, value], lane);
}

const VECTOR_LOADS = {
  load8x8_s: 0x01,
  load8x8_u: 0x02,
  load16x4_s: 0x03,
  load16x4_u: 0x04,
  load32x2_s: 0x05,
  load32x2_u: 0x06,
  load8_splat: 0x07,
  load16_splat: 0x08,
  load32_splat: 0x09,
  load64_splat: 0x0a,
  load32_zero: 0x5c,
  load64_zero: 0x5d,
} as const;
/** v128 loads that extend, splat or zero the rest of the vector. */
export function loadVector(kind: keyof typeof VECTOR_LOADS, address: Expr<I32>, offset = 0): Expr<V128> {
  return simdMemoryNode(VECTOR_LOADS[kind], [address], offset, -1);
}
