/**
 * Statements of one WebAssembly function.
 *
 * Control flow is nested: `f.if(c, () => …, () => …)`, `f.loop((again) => { …; f.brIf(c, again); })`,
 * `f.block((out) => { …; f.br(out); })`. A branch to a block leaves it, a branch to a loop starts it again.
 */
import { ByteBuffer, I32, type V128, type ValueType, VOID } from "./encoding.ts";
import { type Callable, call, constValue, Expr, emitExpr, type GlobalRef, i32, Local, type Operand } from "./expr.ts";
import { ATOMIC_WIDTH, type AtomicKind } from "./memory-access.ts";

/** Stores by width: `i64_8` is i64.store8. */
const STORES = {
  i32: 0x36,
  i64: 0x37,
  f32: 0x38,
  f64: 0x39,
  i32_8: 0x3a,
  i32_16: 0x3b,
  i64_8: 0x3c,
  i64_16: 0x3d,
  i64_32: 0x3e,
} as const;
export type StoreKind = keyof typeof STORES;

/** Target of a branch. Valid inside the block or loop that made it. */
export class Label {
  readonly depth: number;
  constructor(depth: number) {
    this.depth = depth;
  }
}

export class FunctionBuilder {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  #code = new ByteBuffer(64);
  readonly #locals: ValueType[] = [];
  /** Locals of closed scopes that a later scope may take over. */
  readonly #free = new Map<ValueType, Local[]>();
  #scope: Local[] | undefined;
  #depth = 0;

  constructor(name: string, params: readonly ValueType[], results: readonly ValueType[]) {
    this.name = name;
    this.params = params;
    this.results = results;
  }

  /** The code so far. */
  get code(): ByteBuffer {
    return this.#code;
  }

  param<T extends ValueType>(index: number): Local<T> {
    const type = this.params[index];
    if (type === undefined) throw new TypeError(`${this.name} has no parameter ${index}`);
    return new Local(index, type as T);
  }

  /** A new variable. Zero at entry unless it was made inside `scope`: then its value is undefined until it is set. */
  local<T extends ValueType>(type: T): Local<T> {
    const reused = this.#scope === undefined ? undefined : this.#free.get(type)?.pop();
    const local = (reused as Local<T> | undefined) ?? new Local(this.params.length + this.#locals.push(type) - 1, type);
    this.#scope?.push(local);
    return local;
  }

  /** A new variable that no scope takes over. Zero at entry. */
  lastingLocal<T extends ValueType>(type: T): Local<T> {
    return new Local(this.params.length + this.#locals.push(type) - 1, type);
  }

  /** What `write` emits goes before everything so far: for what is only known at the end. Outside of any block. */
  before(write: () => void): void {
    const body = this.#code;
    this.#code = new ByteBuffer(256);
    write();
    this.#code.append(body.bytes);
  }

  /** Evaluate now, once, and give the value a name. Constants and parameters that never change may be passed on as they are. */
  temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    if (constValue(e) !== undefined) return e;
    const local = this.local(e.type);
    this.set(local, e);
    return local;
  }

  /** Variables made in `body` are free again after it. */
  scope(body: () => void): void {
    const outer = this.#scope;
    const mine: Local[] = [];
    this.#scope = mine;
    body();
    this.#scope = outer;
    for (const local of mine) {
      const free = this.#free.get(local.type);
      if (free === undefined) this.#free.set(local.type, [local]);
      else free.push(local);
    }
  }

  set<T extends ValueType>(target: Local<T> | GlobalRef<T>, value: Operand<T>): void {
    this.#emit(value, target.type);
    this.#code.byte(target instanceof Local ? 0x21 : 0x24);
    this.#code.u32(target.index);
  }

  /** Store the low bits of `value` at `address + offset`. */
  store(kind: StoreKind, address: Operand<I32>, value: Expr, offset = 0): void {
    this.#emit(address, I32);
    emitExpr(value, this.#code);
    this.#code.byte(STORES[kind]);
    this.#code.u32(0);
    this.#code.u32(offset);
  }

  storeV128(address: Operand<I32>, value: Expr<V128>, offset = 0): void {
    this.#emit(address, I32);
    emitExpr(value, this.#code);
    this.#code.append([0xfd, 0x0b, 0]);
    this.#code.u32(offset);
  }

  /** Sequentially consistent store. Traps when the address is not a multiple of the width. */
  atomicStore(kind: AtomicKind, address: Operand<I32>, value: Expr, offset = 0): void {
    const [index, , align] = ATOMIC_WIDTH[kind];
    this.#emit(address, I32);
    emitExpr(value, this.#code);
    this.#code.append([0xfe, 0x17 + index, align]);
    this.#code.u32(offset);
  }

  /** atomic.fence: a full barrier. */
  fence(): void {
    this.#code.append([0xfe, 0x03, 0x00]);
  }

  /** Evaluate for its effects and drop the value. */
  drop(value: Expr): void {
    emitExpr(value, this.#code);
    this.#code.byte(0x1a);
  }

  /** Call for its effects; results go to `into`, one variable each, or are dropped when there is none. */
  call(callee: Callable, args: readonly Expr[], into: readonly Local[] = []): void {
    emitExpr(call(callee, ...args), this.#code);
    for (let i = callee.results.length - 1; i >= 0; i--) {
      const local = into[i];
      if (local === undefined) this.#code.byte(0x1a);
      else {
        this.#code.byte(0x21);
        this.#code.u32(local.index);
      }
    }
  }

  /** Return one value for each result of the function. */
  return(...values: readonly Operand<ValueType>[]): void {
    for (const [i, value] of values.entries()) this.#emit(value, this.results[i] as ValueType);
    this.#code.byte(0x0f);
  }

  /** memory.fill: `size` bytes from `address` become `value`. */
  memoryFill(address: Expr<I32>, value: Operand<I32>, size: Operand<I32>): void {
    emitExpr(address, this.#code);
    this.#emit(value, I32);
    this.#emit(size, I32);
    this.#code.append([0xfc, 0x0b, 0]);
  }

  /** Trap: reached only when the model is wrong. */
  unreachable(): void {
    this.#code.byte(0x00);
  }

  block(body: (out: Label) => void): void {
    this.#open(0x02);
    body(new Label(this.#depth));
    this.#close();
  }

  /** Falling off the end leaves the loop; branching to `again` repeats it. */
  loop(body: (again: Label) => void): void {
    this.#open(0x03);
    body(new Label(this.#depth));
    this.#close();
  }

  /** Constant conditions emit one side only. */
  if(condition: Expr<I32>, whenTrue: () => void, whenFalse?: () => void): void {
    const known = constValue(condition);
    if (known !== undefined) {
      if (known !== 0) whenTrue();
      else whenFalse?.();
      return;
    }
    emitExpr(condition, this.#code);
    this.#open(0x04);
    whenTrue();
    if (whenFalse !== undefined) {
      this.#code.byte(0x05);
      whenFalse();
    }
    this.#close();
  }

  br(target: Label): void {
    this.#code.byte(0x0c);
    this.#code.u32(this.#depth - target.depth);
  }

  brIf(condition: Expr<I32>, target: Label): void {
    const known = constValue(condition);
    if (known !== undefined) {
      if (known !== 0) this.br(target);
      return;
    }
    emitExpr(condition, this.#code);
    this.#code.byte(0x0d);
    this.#code.u32(this.#depth - target.depth);
  }

  brTable(index: Expr<I32>, targets: readonly Label[], fallback: Label): void {
    emitExpr(index, this.#code);
    this.#code.byte(0x0e);
    this.#code.u32(targets.length);
    for (const target of targets) this.#code.u32(this.#depth - target.depth);
    this.#code.u32(this.#depth - fallback.depth);
  }

  /**
   * br_table over `cases`, without recursion, so thousands of cases are fine. A case falls out of the switch at its
   * end; `fallback` runs for every index beyond the cases. `index` may repeat targets: `table[i]` names the case of
   * index i (identity when left out).
   */
  switch(index: Expr<I32>, cases: readonly (() => void)[], fallback?: () => void, table?: readonly number[]): void {
    this.block((out) => {
      const bodies = [...cases, fallback ?? (() => this.br(out))];
      for (let i = 0; i < bodies.length; i++) this.#open(0x02);
      const innermost = this.#depth;
      const targets = table ?? cases.map((_, i) => i);
      emitExpr(index, this.#code);
      this.#code.byte(0x0e);
      this.#code.u32(targets.length);
      for (const target of targets) this.#code.u32(target);
      this.#code.u32(cases.length);
      if (this.#depth !== innermost) throw new Error("BUG: unbalanced switch");
      bodies.forEach((body, i) => {
        this.#close();
        body();
        if (i < bodies.length - 1) this.br(out);
      });
    });
  }

  /** Locals declaration and code, without the final `end`. */
  encode(out: ByteBuffer): void {
    const body = new ByteBuffer(this.#code.length + 16);
    const runs: [number, ValueType][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last !== undefined && last[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    body.u32(runs.length);
    for (const [count, type] of runs) {
      body.u32(count);
      body.byte(type);
    }
    body.append(this.#code.bytes);
    body.byte(0x0b);
    out.u32(body.length);
    out.append(body.bytes);
  }

  #emit(value: Operand<ValueType>, type: ValueType): void {
    if (value instanceof Expr) {
      if (value.type !== type) throw new TypeError(`${this.name}: value has the wrong type`);
      emitExpr(value, this.#code);
    } else if (type === I32) emitExpr(i32(value), this.#code);
    else {
      this.#code.byte(0x42);
      this.#code.s64(value);
    }
  }

  #open(op: number): void {
    this.#code.byte(op);
    this.#code.byte(VOID);
    this.#depth++;
  }

  #close(): void {
    this.#code.byte(0x0b);
    this.#depth--;
  }
}
