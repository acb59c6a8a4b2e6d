/**
 * The region compiler's `Context`: operands are constants of the instruction word, registers and flags are locals of the
 * function that is being generated. The same descriptions as the interpreter's run against it, and constants fold.
 */
import type { AccessDescriptor, Context } from "../isa/context.ts";
import type { Operands, Slot } from "../isa/description.ts";
import { type FlagExpr, type FlagWord, FlagWords } from "../isa/flag-words.ts";
import { L, TLB } from "../state/layout.ts";
import {
  add,
  and,
  type Callable,
  constValue,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  I32,
  I64,
  i64,
  type Local,
  load,
  type ModuleBuilder,
  shrU,
  toI32,
  toI64U,
  type V128,
  type ValueType,
} from "../wasm/index.ts";

/** Locals of a region, made when an instruction first names them; the prologue fills them, the epilogue stores them. */
export class RegionLocals {
  /** By offset in the state block: X0-X30 and SP. */
  readonly registers = new Map<number, Local<I64>>();
  readonly flags = new Map<FlagWord, Local<I32 | I64>>();
  readonly #f: FunctionBuilder;
  constructor(f: FunctionBuilder) {
    this.#f = f;
  }
  register(offset: number): Local<I64> {
    const known = this.registers.get(offset);
    if (known !== undefined) return known;
    const local = this.#f.local(I64);
    this.registers.set(offset, local);
    return local;
  }
  flag(word: FlagWord): Local<I32 | I64> {
    const known = this.flags.get(word);
    if (known !== undefined) return known;
    const local = this.#f.local<I32 | I64>(word === "C" ? I32 : I64);
    this.flags.set(word, local);
    return local;
  }
}

/** What an instruction of a region may do to leave it. */
export interface RegionExits {
  /** Before this instruction: the interpreter does it. */
  abandon(): void;
  /** To PC + displacement; this instruction retires. */
  branch(displacement: number): void;
}

/** Thrown while generating, never while executing: the description needs what regions do not have yet. */
export class NotCompilable extends Error {}

export class RegionContext extends FlagWords implements Context {
  readonly f: FunctionBuilder;
  readonly state: Expr<I32>;
  readonly #locals: RegionLocals;
  readonly #operands: Operands;
  readonly #pc: number;
  readonly #word: number;
  readonly #exits: RegionExits;
  readonly #helpers: (name: string, make: (module: ModuleBuilder) => Callable) => Callable;

  constructor(
    f: FunctionBuilder,
    state: Expr<I32>,
    locals: RegionLocals,
    instruction: { readonly operands: Operands; readonly pc: number; readonly word: number },
    exits: RegionExits,
    helpers: (name: string, make: (module: ModuleBuilder) => Callable) => Callable,
  ) {
    super();
    this.f = f;
    this.state = state;
    this.#locals = locals;
    this.#operands = instruction.operands;
    this.#pc = instruction.pc;
    this.#word = instruction.word;
    this.#exits = exits;
    this.#helpers = helpers;
  }

  override temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    return this.f.temp(e);
  }
  local<T extends ValueType>(type: T): Local<T> {
    return this.f.local(type);
  }
  #operand<N extends keyof Operands>(name: N): NonNullable<Operands[N]> {
    const value = this.#operands[name];
    if (value === undefined) throw new NotCompilable(`operand ${name}`);
    return value as NonNullable<Operands[N]>;
  }
  imm(): Expr<I32> {
    // logical immediates of W registers are the low half of the 64-bit one, in both tiers
    return this.#operands.imm ?? toI32(this.#operand("imm64"));
  }
  imm2(): Expr<I32> {
    return this.#operand("imm2");
  }
  imm64(): Expr<I64> {
    return this.#operand("imm64");
  }
  pc(): Expr<I64> {
    return i64(this.#pc);
  }
  word(): Expr<I32> {
    return toI32(i64(this.#word));
  }
  operand(slot: Slot): Expr<I32> {
    return this.#operand(slot);
  }
  #offset(slot: Slot): number {
    return constValue(this.#operand(slot)) as number;
  }
  field(): never {
    throw new NotCompilable("computed register");
  }
  setField(): never {
    throw new NotCompilable("computed register");
  }

  x(slot: Slot): Expr<I64> {
    const offset = this.#offset(slot);
    return offset === L.ZERO || offset === L.SINK ? i64(0) : this.#locals.register(offset);
  }
  w(slot: Slot): Expr<I32> {
    return toI32(this.x(slot));
  }
  setX(slot: Slot, value: Expr<I64>): void {
    const offset = this.#offset(slot);
    if (offset !== L.SINK) this.f.set(this.#locals.register(offset), value);
    else if (value.hasEffects) this.f.drop(value);
  }
  setW(slot: Slot, value: Expr<I32>): void {
    this.setX(slot, toI64U(value));
  }
  v(): Expr<V128> {
    throw new NotCompilable("vector register");
  }
  setV(): void {
    throw new NotCompilable("vector register");
  }
  vAddress(): Expr<I32> {
    throw new NotCompilable("vector register");
  }
  setVLow(): void {
    throw new NotCompilable("vector register");
  }

  protected override readFlag<W extends FlagWord>(word: W): FlagExpr<W> {
    return this.#locals.flag(word) as Expr as FlagExpr<W>;
  }
  protected override writeFlag<W extends FlagWord>(word: W, value: FlagExpr<W>): void {
    this.f.set(this.#locals.flag(word), value as Expr<I32 | I64>);
  }

  /** The TLB's fast path; a miss leaves the region before the instruction. */
  #translate(address: Expr<I64>, bytes: number, array: number, options: AccessDescriptor): Expr<I32> {
    const named = this.temp(address);
    const set = load("i32", this.state, options.unprivileged === true ? L.TLB_SET_EL0 : L.TLB_SET);
    const entry = this.temp(add(set, and(toI32(shrU(named, 8)), 0x3ff0)));
    const page =
      options.aligned === true
        ? and(named, -4096 | ((options.alignment ?? bytes) - 1))
        : and(bytes > 1 ? add(named, bytes - 1) : named, -4096);
    this.f.if(eqz(eq(load("i64", entry, array), page)), () => this.#exits.abandon());
    return this.temp(add(toI32(named), load("i32", entry, array + 8)));
  }
  load(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    return this.#translate(address, bytes, TLB.READ, options);
  }
  writeAddress(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    return this.#translate(address, bytes, TLB.WRITE, options);
  }
  store(address: Expr<I64>, bytes: number, write: (host: Expr<I32>) => void, options: AccessDescriptor = {}): void {
    write(this.#translate(address, bytes, TLB.WRITE, options));
  }
  checkSpAlignment(): void {
    const sp = this.#locals.register(L.SP);
    this.f.if(and(toI32(sp), load("i32", this.state, L.SP_ALIGN)), () => this.#exits.abandon());
  }

  branch(): void {
    this.#exits.branch(constValue(this.imm()) as number);
  }
  branchIf(condition: Expr<I32>): void {
    this.f.if(condition, () => this.branch());
  }
  link(): void {
    this.f.set(this.#locals.register(L.X + 8 * 30), add(this.pc(), 4));
  }
  helper(name: string, make: (module: ModuleBuilder) => Callable): Callable {
    return this.#helpers(name, make);
  }

  // ---- what regions do not have: they end before such an instruction
  #refuse(): never {
    throw new NotCompilable("leaves the region");
  }
  branchTo(): void {
    this.#refuse();
  }
  zeroBlock(): void {
    this.#refuse();
  }
  clearExclusive(): void {
    this.#refuse();
  }
  commit(): void {}
  setExclusive(): void {
    this.#refuse();
  }
  storeExclusive(): Expr<I32> {
    return this.#refuse();
  }
  compareAndSwap128(): readonly [Expr<I64>, Expr<I64>] {
    return this.#refuse();
  }
  exception(): void {
    this.#refuse();
  }
  systemRead(): Expr<I64> {
    return this.#refuse();
  }
  systemWrite(): void {
    this.#refuse();
  }
  pstateWrite(): void {
    this.#refuse();
  }
  waitHint(): void {
    this.#refuse();
  }
}
