/** Loads and atomic accesses as expressions; stores are statements of `FunctionBuilder`. Source: WebAssembly 2.0 §5.4.6. */
import { F32, F64, I32, I64, V128 } from "./encoding.ts";
import { Expr, Kind, type Operand, operand } from "./expr.ts";

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
