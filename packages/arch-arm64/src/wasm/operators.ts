/** Operators on integers and floats, folded where their operands are constants. Source: WebAssembly 2.0 §4.3, §5.4.6. */
import { F32, F64, I32, I64, VALUE_TYPE_NAME, type ValueType } from "./encoding.ts";
import {
  constant,
  constValue,
  Expr,
  type FloatType,
  type IntType,
  i32,
  i64,
  isConst,
  Kind,
  type NumberType,
  type Operand,
  operand,
} from "./expr.ts";

const ARITHMETIC = [
  "add",
  "sub",
  "mul",
  "divS",
  "divU",
  "remS",
  "remU",
  "and",
  "or",
  "xor",
  "shl",
  "shrS",
  "shrU",
  "rotl",
  "rotr",
] as const;
const COMPARE = ["eq", "ne", "ltS", "ltU", "gtS", "gtU", "leS", "leU", "geS", "geU"] as const;
const FLOAT_ARITHMETIC = ["add", "sub", "mul", "div", "min", "max", "copysign"] as const;
const FLOAT_COMPARE = ["eq", "ne", "lt", "gt", "le", "ge"] as const;

type IntBinary = (typeof ARITHMETIC)[number] | (typeof COMPARE)[number];

const opcodes = (names: readonly string[], first: number) => new Map(names.map((name, i) => [name, first + i]));
const BINARY_OP: { readonly [type in NumberType]: ReadonlyMap<string, number> } = {
  [I32]: new Map([...opcodes(COMPARE, 0x46), ...opcodes(ARITHMETIC, 0x6a)]),
  [I64]: new Map([...opcodes(COMPARE, 0x51), ...opcodes(ARITHMETIC, 0x7c)]),
  [F32]: new Map([...opcodes(FLOAT_COMPARE, 0x5b), ...opcodes(FLOAT_ARITHMETIC, 0x92)]),
  [F64]: new Map([...opcodes(FLOAT_COMPARE, 0x61), ...opcodes(FLOAT_ARITHMETIC, 0xa0)]),
};
const COMPARISONS: ReadonlySet<string> = new Set<string>([...COMPARE, ...FLOAT_COMPARE]);

function fold32(name: IntBinary, a: number, b: number): number | undefined {
  switch (name) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return Math.imul(a, b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << b;
    case "shrU":
      return a >>> b;
    case "shrS":
      return a >> b;
    case "rotl":
      return (a << b) | (a >>> -b);
    case "rotr":
      return (a >>> b) | (a << -b);
    case "eq":
      return +(a === b);
    case "ne":
      return +(a !== b);
    case "ltS":
      return +(a < b);
    case "gtS":
      return +(a > b);
    case "leS":
      return +(a <= b);
    case "geS":
      return +(a >= b);
    case "ltU":
      return +(a >>> 0 < b >>> 0);
    case "gtU":
      return +(a >>> 0 > b >>> 0);
    case "leU":
      return +(a >>> 0 <= b >>> 0);
    case "geU":
      return +(a >>> 0 >= b >>> 0);
    default:
      return undefined;
  }
}

function fold64(name: IntBinary, x: number | bigint, y: number | bigint): number | bigint | undefined {
  if (typeof x === "number" && typeof y === "number") {
    const sum = name === "add" ? x + y : name === "sub" ? x - y : Number.NaN;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const a = BigInt(x);
  const b = BigInt(y);
  const ua = BigInt.asUintN(64, a);
  const ub = BigInt.asUintN(64, b);
  const shift = ub & 63n;
  switch (name) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << shift;
    case "shrU":
      return ua >> shift;
    case "shrS":
      return a >> shift;
    case "rotl":
      return (ua << shift) | (ua >> ((64n - shift) & 63n));
    case "rotr":
      return (ua >> shift) | (ua << ((64n - shift) & 63n));
    case "eq":
      return +(a === b);
    case "ne":
      return +(a !== b);
    case "ltS":
      return +(a < b);
    case "gtS":
      return +(a > b);
    case "leS":
      return +(a <= b);
    case "geS":
      return +(a >= b);
    case "ltU":
      return +(ua < ub);
    case "gtU":
      return +(ua > ub);
    case "leU":
      return +(ua <= ub);
    case "geU":
      return +(ua >= ub);
    default:
      return undefined;
  }
}

const COMMUTATIVE: ReadonlySet<string> = new Set(["add", "mul", "and", "or", "xor", "eq", "ne"]);
const ZERO_IS_IDENTITY: ReadonlySet<string> = new Set([
  "add",
  "sub",
  "or",
  "xor",
  "shl",
  "shrU",
  "shrS",
  "rotl",
  "rotr",
]);

function intBinary(name: IntBinary, left: Expr<IntType>, right: Operand<IntType>): Expr {
  const type = left.type;
  const b = operand(type, right);
  const x = constValue(left);
  const y = constValue(b);
  const resultType = COMPARISONS.has(name) ? I32 : type;
  if (y !== undefined) {
    if (x !== undefined) {
      const folded = type === I32 ? fold32(name, x as number, y as number) : fold64(name, x, y);
      if (folded !== undefined) return constant(resultType, folded);
    }
    if (y === 0) {
      if (ZERO_IS_IDENTITY.has(name)) return left;
      if (name === "eq") return eqz(left);
      if ((name === "and" || name === "mul") && !left.hasEffects) return b;
    }
    if (y === -1 && name === "and") return left;
    if (y === 1 && name === "mul") return left;
    // (e + k1) + k2: address arithmetic of descriptions makes many of these
    if (name === "add" && left.kind === Kind.PLAIN && left.op === BINARY_OP[type].get("add")) {
      const [inner, k] = left.args as [Expr<IntType>, Expr<IntType>];
      if (isConst(k)) return intBinary("add", inner, intBinary("add", k, b) as Expr<IntType>);
    }
  } else if (x !== undefined) {
    if (x === 0 && name === "and" && !b.hasEffects) return left;
    if (COMMUTATIVE.has(name)) return intBinary(name, b, left);
  }
  return new Expr(Kind.PLAIN, resultType, BINARY_OP[type].get(name) as number, [left, b], 0);
}

function numberBinary(name: string, left: Expr<NumberType>, right: Operand<NumberType>): Expr {
  const type = left.type;
  if (type === I32 || type === I64)
    return intBinary(name as IntBinary, left as Expr<IntType>, right as Operand<IntType>);
  const op = BINARY_OP[type].get(name);
  if (op === undefined) throw new TypeError(`wasm has no ${VALUE_TYPE_NAME[type]}.${name}`);
  return new Expr(Kind.PLAIN, COMPARISONS.has(name) ? I32 : type, op, [left, operand(type, right)], 0);
}

type Binary<C extends NumberType> = <T extends C>(a: Expr<T>, b: Operand<T>) => Expr<T>;
type Compare<C extends NumberType> = <T extends C>(a: Expr<T>, b: Operand<T>) => Expr<I32>;
const binary = <C extends NumberType>(name: string) =>
  ((a: Expr<NumberType>, b: Operand<NumberType>) => numberBinary(name, a, b)) as unknown as Binary<C>;
const compare = <C extends NumberType>(name: string) =>
  ((a: Expr<NumberType>, b: Operand<NumberType>) => numberBinary(name, a, b)) as unknown as Compare<C>;

export const add = binary<NumberType>("add");
export const sub = binary<NumberType>("sub");
export const mul = binary<NumberType>("mul");
/** Traps on zero and on overflow: guard it. */
export const divS = binary<IntType>("divS");
export const divU = binary<IntType>("divU");
export const and = binary<IntType>("and");
export const or = binary<IntType>("or");
export const xor = binary<IntType>("xor");
/** Shift counts are taken modulo the width. */
export const shl = binary<IntType>("shl");
export const shrS = binary<IntType>("shrS");
export const shrU = binary<IntType>("shrU");
export const rotl = binary<IntType>("rotl");
export const rotr = binary<IntType>("rotr");
export const eq = compare<NumberType>("eq");
export const ne = compare<NumberType>("ne");
export const ltS = compare<IntType>("ltS");
export const ltU = compare<IntType>("ltU");
export const gtS = compare<IntType>("gtS");
export const gtU = compare<IntType>("gtU");
export const leS = compare<IntType>("leS");
export const leU = compare<IntType>("leU");
export const geS = compare<IntType>("geS");
export const geU = compare<IntType>("geU");
export const div = binary<FloatType>("div");

const plain = <T extends ValueType>(op: number, type: T, ...args: Expr[]): Expr<T> =>
  new Expr(Kind.PLAIN, type, op, args, 0);

export function eqz(a: Expr<IntType>): Expr<I32> {
  const value = constValue(a);
  if (value !== undefined) return i32(value === 0 || value === 0n ? 1 : 0);
  return plain(a.type === I32 ? 0x45 : 0x50, I32, a);
}
/** Every bit inverted. */
export function not<T extends IntType>(a: Expr<T>): Expr<T> {
  return xor(a, -1);
}
export function neg<T extends NumberType>(a: Expr<T>): Expr<T> {
  if (a.type === F32) return plain(0x8c, a.type, a);
  if (a.type === F64) return plain(0x9a, a.type, a);
  return sub(constant(a.type, 0), a);
}
function leadingZeros(type: IntType, value: number | bigint): number {
  const low = Number(BigInt.asUintN(32, BigInt(value)));
  if (type === I32) return Math.clz32(low);
  const high = Number(BigInt.asUintN(64, BigInt(value)) >> 32n);
  return high === 0 ? 32 + Math.clz32(low) : Math.clz32(high);
}
export function clz<T extends IntType>(a: Expr<T>): Expr<T> {
  const value = constValue(a);
  if (value !== undefined) return constant(a.type, leadingZeros(a.type, value)) as Expr<T>;
  return plain(a.type === I32 ? 0x67 : 0x79, a.type, a);
}
export function ctz<T extends IntType>(a: Expr<T>): Expr<T> {
  const value = constValue(a);
  if (value !== undefined) {
    const bits = BigInt.asUintN(64, BigInt(value));
    const lowest = a.type === I32 ? bits & 0xffff_ffffn : bits;
    const width = a.type === I32 ? 32 : 64;
    return constant(a.type, lowest === 0n ? width : width - 1 - leadingZeros(a.type, lowest & -lowest)) as Expr<T>;
  }
  return plain(a.type === I32 ? 0x68 : 0x7a, a.type, a);
}
const floatUnary =
  (op32: number, op64: number) =>
  <T extends FloatType>(a: Expr<T>): Expr<T> =>
    plain(a.type === F32 ? op32 : op64, a.type, a);
export const ceil = floatUnary(0x8d, 0x9b);
export const sqrt = floatUnary(0x91, 0x9f);

/** Sign-extend the low 8 bits over the whole value. */
export function signExtend8<T extends IntType>(a: Expr<T>): Expr<T> {
  return plain(a.type === I32 ? 0xc0 : 0xc2, a.type, a);
}
export function signExtend16<T extends IntType>(a: Expr<T>): Expr<T> {
  return plain(a.type === I32 ? 0xc1 : 0xc3, a.type, a);
}
export function signExtend32(a: Expr<I64>): Expr<I64> {
  const value = constValue(a);
  if (value !== undefined) return i64(BigInt.asIntN(32, BigInt(value)));
  return plain(0xc4, I64, a);
}
/** i32.wrap_i64: bits 31:0. */
export function toI32(a: Expr<I64>): Expr<I32> {
  const value = constValue(a);
  if (value !== undefined) return i32(BigInt(value));
  if (a.kind === Kind.PLAIN && (a.op === 0xac || a.op === 0xad)) return a.args[0] as Expr<I32>;
  return plain(0xa7, I32, a);
}
/** i64.extend_i32_u. */
export function toI64U(a: Expr<I32>): Expr<I64> {
  const value = constValue(a);
  if (value !== undefined) return i64((value as number) >>> 0);
  return plain(0xad, I64, a);
}
/** i64.extend_i32_s. */
export function toI64S(a: Expr<I32>): Expr<I64> {
  const value = constValue(a);
  if (value !== undefined) return i64(value as number);
  return plain(0xac, I64, a);
}
/** `condition` not zero: `whenTrue`, else `whenFalse`. Both are evaluated. */
export function select<T extends ValueType>(condition: Expr<I32>, whenTrue: Expr<T>, whenFalse: Operand<T>): Expr<T> {
  const other = operand(whenTrue.type, whenFalse);
  const value = constValue(condition);
  if (value !== undefined && !whenTrue.hasEffects && !other.hasEffects) return value !== 0 ? whenTrue : other;
  return new Expr(Kind.SELECT, whenTrue.type, 0x1b, [whenTrue, other, condition], 0);
}

/** Conversions whose names are the instruction's. Source: WebAssembly 2.0 §5.4.6. */
const CONVERSION = {
  "f32.convert_i32_s": [0xb2, F32, I32],
  "f32.convert_i32_u": [0xb3, F32, I32],
  "f32.convert_i64_s": [0xb4, F32, I64],
  "f32.convert_i64_u": [0xb5, F32, I64],
  "f32.demote_f64": [0xb6, F32, F64],
  "f64.convert_i32_s": [0xb7, F64, I32],
  "f64.convert_i32_u": [0xb8, F64, I32],
  "f64.convert_i64_s": [0xb9, F64, I64],
  "f64.convert_i64_u": [0xba, F64, I64],
  "f64.promote_f32": [0xbb, F64, F32],
  "i32.reinterpret_f32": [0xbc, I32, F32],
  "i64.reinterpret_f64": [0xbd, I64, F64],
  "f32.reinterpret_i32": [0xbe, F32, I32],
  "f64.reinterpret_i64": [0xbf, F64, I64],
} as const;
const SATURATING = {
  "i32.trunc_sat_f32_s": [0, I32, F32],
  "i32.trunc_sat_f32_u": [1, I32, F32],
  "i32.trunc_sat_f64_s": [2, I32, F64],
  "i32.trunc_sat_f64_u": [3, I32, F64],
  "i64.trunc_sat_f32_s": [4, I64, F32],
  "i64.trunc_sat_f32_u": [5, I64, F32],
  "i64.trunc_sat_f64_s": [6, I64, F64],
  "i64.trunc_sat_f64_u": [7, I64, F64],
} as const;
type Conversions = typeof CONVERSION & typeof SATURATING;
export type Conversion = keyof Conversions;

/** A conversion between number types, by the instruction's name: `convert("f64.promote_f32", x)`. */
export function convert<N extends Conversion>(name: N, a: Expr<Conversions[N][2]>): Expr<Conversions[N][1]> {
  if (name in SATURATING) {
    const [op, type] = SATURATING[name as keyof typeof SATURATING];
    return new Expr(Kind.PREFIX_FC, type as Conversions[N][1], op, [a], 0);
  }
  const [op, type] = CONVERSION[name as keyof typeof CONVERSION];
  return plain(op, type as Conversions[N][1], a);
}
