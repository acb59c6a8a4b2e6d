/**
 * Typed WebAssembly expressions: trees that fold constants while they are built.
 *
 * An expression has no place in a function until a statement of `FunctionBuilder` takes it; it is evaluated there and
 * each time that it is used. Name a value with `f.temp(e)` before using it twice.
 *
 * The second operand of every binary operator may be a plain number or bigint; it takes the first operand's type:
 * `and(add(va, 8), -4096)`. Here are the node, constants, variables and calls; `operators.ts` and `memory-access.ts` have the rest.
 */
import { type ByteBuffer, F32, F64, I32, I64, V128, VALUE_TYPE_NAME, type ValueType } from "./encoding.ts";

/** How `emitExpr` writes a node. */
export const Kind = {
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
export type Kind = (typeof Kind)[keyof typeof Kind];

/** A node of an expression tree. Build it with the functions of this folder, not with `new`. */
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
export function operand<T extends ValueType>(like: T, value: Operand<T>): Expr<T> {
  if (value instanceof Expr) {
    if (value.type !== like)
      throw new TypeError(`wasm operand is ${VALUE_TYPE_NAME[value.type]}, not ${VALUE_TYPE_NAME[like]}`);
    return value;
  }
  return constant(like as NumberType, value) as Expr as Expr<T>;
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
