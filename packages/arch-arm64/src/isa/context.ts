/**
 * What a description's `execute` is written against: operands, registers, flags, memory and control flow of the
 * instruction at hand, as expressions and statements of the function being generated.
 *
 * The interpreter reads operands from predecoded records; the region compiler gives constants and keeps registers
 * in locals. A description cannot tell.
 *
 * The letters f, s, p, c and w are the README's.
 *
 * Expressions are evaluated where they are used, and each time. A value that is used twice, or that must survive a
 * write of a register that it was made from, is named with `temp`. Read every source before the first write.
 */
import type {
  Callable,
  Expr,
  FunctionBuilder,
  I32,
  I64,
  Local,
  ModuleBuilder,
  V128,
  ValueType,
} from "../wasm/index.ts";
import type { Slot } from "./description.ts";

/** What an access asks for beyond the ordinary: becomes an `ACCDESC`. Source: DDI 0487 B2.5 (alignment), AccessDescriptor. */
export interface AccessDescriptor {
  /** A misaligned address is an alignment fault whatever SCTLR_EL1.A says: exclusives, atomics, acquire/release. */
  readonly aligned?: boolean;
  /** Alignment that `aligned` asks for, when it is not the access' size. Bytes. */
  readonly alignment?: number;
  /** Of the aligned kind, but neither exclusive nor atomic: SCTLR_EL1.nAA may allow it misaligned. */
  readonly orderedOnly?: boolean;
  /** Acquire, release or exclusive: ISS.AR. */
  readonly ordered?: boolean;
  /** LDTR, STTR: with EL0's permissions. */
  readonly unprivileged?: boolean;
  /** Reads and writes (the place that `writeAddress` gives may be both): atomics and store exclusives. */
  readonly atomic?: boolean;
}

/**
 * Operations that the system side carries out. `eretTo` returns to the address in L.SYS_VALUE; `pauth` is the use of pointer
 * authentication that HCR_EL2.API traps. None returns to the instruction. Source: `state/seam.ts`. */
export type ExceptionKind = "undefined" | "svc" | "hvc" | "smc" | "brk" | "eret" | "eretTo" | "pauth";

export interface Context {
  /** Statements go here. Control flow of your own (`f.if`, `f.loop`) is fine; leave the function only through this interface. */
  readonly f: FunctionBuilder;
  /** Absolute address of the state block: fields are `load("i32", c.state, L.FPCR)`. */
  readonly state: Expr<I32>;

  /** Evaluate now and name. */
  temp<T extends ValueType>(e: Expr<T>): Expr<T>;
  /** A variable; its value is undefined until set. */
  local<T extends ValueType>(type: T): Local<T>;

  // ---- operands of the record
  imm(): Expr<I32>;
  imm2(): Expr<I32>;
  imm64(): Expr<I64>;
  /** Address of this instruction. */
  pc(): Expr<I64>;
  /** The instruction word (slow: for helpers that need the encoding). */
  word(): Expr<I32>;

  /** The byte offset in a slot, for the few that compute with it. */
  operand(slot: Slot): Expr<I32>;
  /** A field of the state block at an offset that was computed at predecode time. */
  field<K extends "i32" | "i64">(kind: K, offset: Expr<I32>): Expr<K extends "i64" ? I64 : I32>;
  setField(kind: "i32" | "i64", offset: Expr<I32>, value: Expr): void;

  // ---- general registers
  x(slot: Slot): Expr<I64>;
  w(slot: Slot): Expr<I32>;
  setX(slot: Slot, value: Expr<I64>): void;
  /** Bits 63:32 become zero. */
  setW(slot: Slot, value: Expr<I32>): void;

  // ---- Advanced SIMD and floating-point registers: the slot was made with `w.vSlot`
  /** The whole register. */
  v(slot: Slot): Expr<V128>;
  setV(slot: Slot, value: Expr<V128>): void;
  /**
   * Linear-memory address of the register's 16 bytes, for element access: `load("i32", c.vAddress("n"), 4 * lane)`.
   * Ask after every load and before you store through it; a store through it leaves the other bytes.
   */
  vAddress(slot: Slot): Expr<I32>;
  /** Write the low 64 bits; bits 127:64 become zero. */
  setVLow(slot: Slot, value: Expr<I64>): void;

  // ---- flags
  /** NZCV of a + b (+ 0); the width is the operands' type. Operands must be named or constants. */
  setFlagsAdd(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void;
  /** NZCV of a - b. */
  setFlagsSub(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void;
  /** N and Z of a result; C and V become 0. */
  setFlagsLogic(result: Expr<I32 | I64>): void;
  /** N and Z from `result` (named), C 0 or 1, V as the sign bit of `overflow` (same width as result). */
  setFlags(result: Expr<I32 | I64>, carry: Expr<I32>, overflow: Expr<I32 | I64>): void;
  /** From four bits, N=8 Z=4 C=2 V=1. */
  setNzcv(value: Expr<I32>): void;
  /** The same four bits. */
  nzcv(): Expr<I32>;
  /** ConditionHolds(cond), 0 or 1. Source: DDI 0487, shared/functions/system/ConditionHolds. */
  condition(cond: number): Expr<I32>;
  /** PSTATE.C, 0 or 1. */
  carry(): Expr<I32>;

  // ---- memory
  /**
   * Translate a read of `bytes` at `address`. Faults leave the instruction here.
   * @returns linear-memory address of the first byte (named); read with wasm loads, at once
   */
  load(address: Expr<I64>, bytes: number, options?: AccessDescriptor): Expr<I32>;
  /**
   * Translate a write of `bytes` at `address`; faults leave the instruction here. `write` stores through the
   * linear-memory address that it is given; it may be emitted twice, so it may only store already named values.
   */
  store(address: Expr<I64>, bytes: number, write: (host: Expr<I32>) => void, options?: AccessDescriptor): void;
  /**
   * Translate a write and give its address, aligned to the access: for atomics and exclusives. Faults leave. What is
   * stored is in memory after `commit`.
   */
  writeAddress(address: Expr<I64>, bytes: number, options?: AccessDescriptor): Expr<I32>;
  commit(host: Expr<I32>): void;
  /** Write zeros to the naturally aligned block of `bytes` that holds `address` (DC ZVA). */
  zeroBlock(address: Expr<I64>, bytes: number): void;
  /** Open the local exclusive monitor. */
  clearExclusive(): void;
  /** Note what an exclusive load read (zero-extended; `high` for a pair of X registers). */
  setExclusive(host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): void;
  /** Store `low` (and `high`) where the monitor still holds. @returns the status, 0 stored, 1 not; named */
  storeExclusive(host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): Expr<I32>;
  /** Compare-and-swap of 16 bytes (low half first); gives what was there, named. */
  compareAndSwap128(
    host: Expr<I32>,
    expected: readonly [Expr<I64>, Expr<I64>],
    replacement: readonly [Expr<I64>, Expr<I64>],
  ): readonly [Expr<I64>, Expr<I64>];
  /** CheckSPAlignment, for accesses whose base is SP. */
  checkSpAlignment(): void;

  // ---- control flow: the last thing that `execute` does on a path
  /** To PC + imm. */
  branch(): void;
  /** To PC + imm when the condition is not zero, else on. */
  branchIf(condition: Expr<I32>): void;
  /** To a register's value, named. `isReturn`: most likely to where the last call came from. */
  branchTo(target: Expr<I64>, isReturn: boolean): void;
  /** X30 = PC + 4. Read a target from X30 before. */
  link(): void;

  // ---- system
  /** Take an exception. On this path nothing follows. */
  exception(kind: ExceptionKind, immediate?: Expr<I32>): void;
  /** MRS or SYSL: the value, named. */
  systemRead(): Expr<I64>;
  /** MSR (register), MSR (immediate) or SYS. Ends the path. */
  systemWrite(value: Expr<I64>): void;
  pstateWrite(): void;
  /** WFI 0, WFE 1, SEV 2, SEVL 3, YIELD 4. Ends the path. */
  waitHint(kind: number): void;
  /**
   * A helper function of the module, made on first use: `(f, ...params)` as in `ModuleBuilder.func`. Call it with
   * `call(c.helper(…), c.state, …)` for a value or `c.f.call`. Helpers neither fault nor move PC.
   */
  helper(name: string, make: (module: ModuleBuilder) => Callable): Callable;
}
