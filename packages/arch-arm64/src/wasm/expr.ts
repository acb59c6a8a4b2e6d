/**
 * Typed WebAssembly expressions: trees that fold constants while they are built.
 *
 * An expression has no place in a function until a statement of `FunctionBuilder` takes it; it is evaluated there and
 * each time that it is used. Name a value with `f.temp(e)` before using it twice.
 *
 * The second operand of every binary operator may be a plain number or bigint; it takes the first operand's type:
 * `and(add(va, 8), -4096)`.
 */
import { type ByteBuffer, F32, F64, I32, I64, V128, VALUE_TYPE_NAME, type ValueType } from "./encoding.ts";

/** How `emitExpr` writes a node. */
const Kind = {
  CONST: 0,
  PLAIN: 1,
  INDEX: 2,
  MEMORY: 3,
  ATOMIC: 4,
  SIMD: 5,
  CALL: 6,
  CALL_INDIRECT: 7,
  PREFIX_FC: 8,
  SELECT: 9,
} as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/** A node of an expression tree. Build it with the functions of this file, not with `new`. */
export class Expr<T extends ValueType = ValueType> {
  readonly kind: Kind;
  readonly type: T;
  /** Opcode, after the prefix where there is one. */
  readonly op: number;
  readonly args: readonly Expr[];
  /** Constant (number, bigint when it is not a safe integer; bytes of a v128). */
  readonly value: number | bigint | Uint8Array;
  /** Index, memory offset or lane. */
  readonly imm: number;
  /** Type index of an indirect call, log2 of the alignment of a memory access, lane of a lane access. */
  readonly imm2: number;
  /** True when evaluating it changes something, so that it may not be dropped. */
  readonly hasEffects: boolean;

  constructor(
    kind: Kind,
    type: T,
    op: number,
    args: readonly Expr[],
    value: number | bigint | Uint8Array,
    imm = 0,
    imm2 = 0,
    effects = false,
  ) {
    this.kind = kind;
    this.type = type;
    this.op = op;
    this.args = args;
    this.value = value;
    this.imm = imm;
    this.imm2 = imm2;
    let hasEffects = effects;
    for (const arg of args) if (arg.hasEffects) hasEffects = true;
    this.hasEffects = hasEffects;
  }
}

/** An expression, or a number that becomes a constant of the type that the context gives. */
export type Operand<T extends ValueType> = Expr<T> | number | bigint;
export type IntType = I32 | I64;
export type FloatType = F32 | F64;
export type NumberType = IntType | FloatType;

const CONST_OP = { [I32]: 0x41, [I64]: 0x42, [F32]: 0x43, [F64]: 0x44, [V128]: 0x0c } as const;

/** A bigint only where a double cannot hold the integer: number arithmetic is much cheaper. */
function normalise64(value: bigint): number | bigint {
  const signed = BigInt.asIntN(64, value);
  return signed >= BigInt(Number.MIN_SAFE_INTEGER) && signed <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(signed)
    : signed;
}

export function i32(value: number | bigint): Expr<I32> {
  const low = typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : value | 0;
  return new Expr(Kind.CONST, I32, CONST_OP[I32], [], low);
}
/** 64-bit constant, taken modulo 2^64. */
export function i64(value: number | bigint): Expr<I64> {
  const v =
    typeof value === "bigint" ? normalise64(value) : Number.isSafeInteger(value) ? value : normalise64(BigInt(value));
  return new Expr(Kind.CONST, I64, CONST_OP[I64], [], v);
}
export function f32(value: number): Expr<F32> {
  return new Expr(Kind.CONST, F32, CONST_OP[F32], [], value);
}
export function f64(value: number): Expr<F64> {
  return new Expr(Kind.CONST, F64, CONST_OP[F64], [], value);
}
/** 128-bit constant of 16 bytes, or of two 64-bit halves (low first). */
export function v128(bytes: Uint8Array | readonly [bigint, bigint]): Expr<V128> {
  if (bytes instanceof Uint8Array) return new Expr(Kind.CONST, V128, CONST_OP[V128], [], bytes);
  const data = new DataView(new ArrayBuffer(16));
  data.setBigUint64(0, BigInt.asUintN(64, bytes[0]), true);
  data.setBigUint64(8, BigInt.asUintN(64, bytes[1]), true);
  return new Expr(Kind.CONST, V128, CONST_OP[V128], [], new Uint8Array(data.buffer));
}

/** Constant of a type known at run time of the generator. */
export function constant<T extends NumberType>(type: T, value: number | bigint): Expr<T> {
  let result: Expr;
  if (type === I32) result = i32(value);
  else if (type === I64) result = i64(value);
  else if (type === F32) result = f32(Number(value));
  else result = f64(Number(value));
  return result as Expr<T>;
}

export function isConst(e: Expr): boolean {
  return e.kind === Kind.CONST;
}
/** The value of an integer or float constant, undefined for anything else. */
export function constValue(e: Expr): number | bigint | undefined {
  return e.kind === Kind.CONST && !(e.value instanceof Uint8Array) ? e.value : undefined;
}

/** Give a plain number the type of `like`. */
function operand<T extends ValueType>(like: T, value: Operand<T>): Expr<T> {
  if (value instanceof Expr) {
    if (value.type !== like)
      throw new TypeError(`wasm operand is ${VALUE_TYPE_NAME[value.type]}, not ${VALUE_TYPE_NAME[like]}`);
    return value;
  }
  return constant(like as NumberType, value) as Expr as Expr<T>;
}

// ------------------------------------------------------------------------------------------- integers and floats

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

// ------------------------------------------------------------------------------------------------------- memory

/** Loads by width and extension: `i64_32s` is i64.load32_s. [opcode, type, log2 of bytes]. */
const LOADS = {
  i32: [0x28, I32, 2],
  i64: [0x29, I64, 3],
  f32: [0x2a, F32, 2],
  f64: [0x2b, F64, 3],
  i32_8s: [0x2c, I32, 0],
  i32_8u: [0x2d, I32, 0],
  i32_16s: [0x2e, I32, 1],
  i32_16u: [0x2f, I32, 1],
  i64_8s: [0x30, I64, 0],
  i64_8u: [0x31, I64, 0],
  i64_16s: [0x32, I64, 1],
  i64_16u: [0x33, I64, 1],
  i64_32s: [0x34, I64, 2],
  i64_32u: [0x35, I64, 2],
} as const;
type Loads = typeof LOADS;
export type LoadKind = keyof Loads;

/** A load from `address + offset`. Any alignment is allowed; it traps beyond the memory only. */
export function load<K extends LoadKind>(kind: K, address: Operand<I32>, offset = 0): Expr<Loads[K][1]> {
  const [op, type] = LOADS[kind];
  return new Expr(Kind.MEMORY, type as Loads[K][1], op, [operand(I32, address)], 0, offset, 0);
}
/** v128.load */
export function loadV128(address: Operand<I32>, offset = 0): Expr<V128> {
  return new Expr(Kind.SIMD, V128, 0x00, [operand(I32, address)], 0, offset, -1);
}

/** Widths of atomic accesses, as the instruction names them: `i64_32` is i64.atomic.rmw32. */
const ATOMIC_WIDTH = {
  i32: [0, I32, 2],
  i64: [1, I64, 3],
  i32_8: [2, I32, 0],
  i32_16: [3, I32, 1],
  i64_8: [4, I64, 0],
  i64_16: [5, I64, 1],
  i64_32: [6, I64, 2],
} as const;
type AtomicWidths = typeof ATOMIC_WIDTH;
export type AtomicKind = keyof AtomicWidths;
const RMW_OP = { add: 0x1e, sub: 0x25, and: 0x2c, or: 0x33, xor: 0x3a, xchg: 0x41 } as const;
export type RmwOp = keyof typeof RMW_OP;
export { ATOMIC_WIDTH };

/** Sequentially consistent load; narrow ones zero-extend. Traps when the address is not a multiple of the width. */
export function atomicLoad<K extends AtomicKind>(kind: K, address: Operand<I32>, offset = 0): Expr<AtomicWidths[K][1]> {
  const [index, type, align] = ATOMIC_WIDTH[kind];
  return new Expr(Kind.ATOMIC, type as AtomicWidths[K][1], 0x10 + index, [operand(I32, address)], 0, offset, align);
}
/** Sequentially consistent read-modify-write; gives the value before, zero-extended. Traps when misaligned. */
export function atomicRmw<K extends AtomicKind>(
  op: RmwOp,
  kind: K,
  address: Operand<I32>,
  value: Expr<AtomicWidths[K][1]>,
  offset = 0,
): Expr<AtomicWidths[K][1]> {
  const [index, type, align] = ATOMIC_WIDTH[kind];
  return new Expr(
    Kind.ATOMIC,
    type as AtomicWidths[K][1],
    RMW_OP[op] + index,
    [operand(I32, address), value],
    0,
    offset,
    align,
    true,
  );
}
/** Compare-and-swap; gives the value before, zero-extended. It stored when that equals `expected`. Traps when misaligned. */
export function atomicCmpxchg<K extends AtomicKind>(
  kind: K,
  address: Operand<I32>,
  expected: Expr<AtomicWidths[K][1]>,
  replacement: Expr<AtomicWidths[K][1]>,
  offset = 0,
): Expr<AtomicWidths[K][1]> {
  const [index, type, align] = ATOMIC_WIDTH[kind];
  return new Expr(
    Kind.ATOMIC,
    type as AtomicWidths[K][1],
    0x48 + index,
    [operand(I32, address), expected, replacement],
    0,
    offset,
    align,
    true,
  );
}

// ------------------------------------------------------------------------------------------ variables and calls

/** A local variable or parameter. As an expression it reads the variable. */
export class Local<T extends ValueType = ValueType> extends Expr<T> {
  constructor(index: number, type: T) {
    super(Kind.INDEX, type, 0x20, [], 0, index);
  }
  get index(): number {
    return this.imm;
  }
}

/** A global of the module. As an expression it reads the variable. */
export class GlobalRef<T extends ValueType = ValueType> extends Expr<T> {
  constructor(index: number, type: T) {
    super(Kind.INDEX, type, 0x23, [], 0, index);
  }
  get index(): number {
    return this.imm;
  }
}

/** What a call needs to know of a function. Its index is known once the module is encoded. */
export interface Callable {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly index: number;
}

function checkArguments(what: string, params: readonly ValueType[], args: readonly Expr[]): void {
  if (params.length !== args.length || params.some((type, i) => args[i]?.type !== type))
    throw new TypeError(`wasm call of ${what}: arguments do not fit (${params.map((type) => VALUE_TYPE_NAME[type])})`);
}

/** Call a function with one result, as a value; `f.call` is for none or several. */
export function call<T extends ValueType = ValueType>(callee: Callable, ...args: Expr[]): Expr<T> {
  checkArguments(String((callee as { name?: string }).name), callee.params, args);
  return new Expr(Kind.CALL, (callee.results[0] ?? I32) as T, 0x10, args, 0, callee.index, callee.results.length, true);
}
/** Call entry `index` of a table. `typeIndex` comes from `ModuleBuilder.type`. */
export function callIndirect<T extends ValueType>(
  typeIndex: number,
  result: T,
  tableIndex: number,
  index: Expr<I32>,
  ...args: Expr[]
): Expr<T> {
  return new Expr(Kind.CALL_INDIRECT, result, 0x11, [...args, index], 0, typeIndex, tableIndex, true);
}

// --------------------------------------------------------------------------------------------------------- SIMD

/** For `simd.ts`: an instruction of the 0xFD prefix. `lane` is -1 when it has none. */
export function simdNode<T extends ValueType>(
  type: T,
  op: number,
  args: readonly Expr[],
  lane: number,
  bytes: Uint8Array | 0 = 0,
): Expr<T> {
  return new Expr(Kind.SIMD, type, op, args, bytes, 0, lane);
}
/** For `simd.ts`: a load of the 0xFD prefix with a memory operand and perhaps a lane. */
export function simdMemoryNode(op: number, args: readonly Expr[], offset: number, lane: number): Expr<V128> {
  return new Expr(Kind.SIMD, V128, op, args, 0, offset, lane);
}

const SIMD_HAS_MEMORY = (op: number) => op <= 0x0b || (op >= 0x54 && op <= 0x5d);

/** Write the instructions that leave the value of `e` on the stack. */
export function emitExpr(e: Expr, out: ByteBuffer): void {
  for (const arg of e.args) emitExpr(arg, out);
  switch (e.kind) {
    case Kind.CONST:
      if (e.value instanceof Uint8Array) {
        out.byte(0xfd);
        out.u32(0x0c);
        out.append(e.value);
        return;
      }
      out.byte(e.op);
      if (e.type === I32) out.s32(e.value as number);
      else if (e.type === I64) out.s64(e.value);
      else if (e.type === F32) out.f32(e.value as number);
      else out.f64(e.value as number);
      return;
    case Kind.INDEX:
    case Kind.CALL:
      out.byte(e.op);
      out.u32(e.imm);
      return;
    case Kind.SELECT:
      if (e.type === V128) {
        out.append([0x1c, 1, V128]);
        return;
      }
      out.byte(e.op);
      return;
    case Kind.CALL_INDIRECT:
      out.byte(e.op);
      out.u32(e.imm);
      out.u32(e.imm2);
      return;
    case Kind.MEMORY:
      out.byte(e.op);
      out.u32(e.imm2);
      out.u32(e.imm);
      return;
    case Kind.ATOMIC:
      out.byte(0xfe);
      out.u32(e.op);
      out.u32(e.imm2);
      out.u32(e.imm);
      return;
    case Kind.PREFIX_FC:
      out.byte(0xfc);
      out.u32(e.op);
      return;
    case Kind.SIMD:
      out.byte(0xfd);
      out.u32(e.op);
      if (SIMD_HAS_MEMORY(e.op)) {
        out.u32(0);
        out.u32(e.imm);
      }
      if (e.value instanceof Uint8Array) out.append(e.value);
      if (e.imm2 >= 0) out.byte(e.imm2);
      return;
    default:
      out.byte(e.op);
  }
}
