/**
 * The region compiler's `Context`: operands are constants of the instruction word, general registers and flags are locals
 * of the function that is being generated. The same descriptions as the interpreter's run against it, and constants fold.
 *
 * Vector registers, the exclusive monitor, FPCR and FPSR stay in the state block.
 */
import { clearMonitor, compareAndSwap128, setMonitor, storeIfMonitored } from "../interp/exclusives.ts";
import type { AccessDescriptor, Context } from "../isa/context.ts";
import type { Operands, Slot } from "../isa/description.ts";
import { L, TLB } from "../state/layout.ts";
import { plainReadGuard, plainReadValue } from "../sysreg/plain-read.ts";
import {
  add,
  and,
  type Callable,
  constValue,
  type Expr,
  eqz,
  FunctionBuilder,
  I32,
  I64,
  i32,
  i64,
  type Local,
  load,
  loadV128,
  type ModuleBuilder,
  ne,
  shrU,
  toI32,
  toI64U,
  type V128,
  type ValueType,
  v128,
} from "../wasm/index.ts";
import type { Instruction } from "./blocks.ts";
import { LazyFlags, sameForm } from "./flags.ts";

/** General registers in locals, made when code first names them; the prologue fills them. */
export class RegionRegisters {
  /** By offset in the state block: X0-X30 and SP. */
  readonly locals = new Map<number, Local<I64>>();
  readonly written = new Set<number>();
  readonly #f: FunctionBuilder;
  constructor(f: FunctionBuilder) {
    this.#f = f;
  }
  get(offset: number): Local<I64> {
    const known = this.locals.get(offset);
    if (known !== undefined) return known;
    if (!isRegister(offset)) throw new Error(`BUG: no register at ${offset}`);
    const local = this.#f.lastingLocal(I64);
    this.locals.set(offset, local);
    return local;
  }
}
const LINK = L.X + 8 * 30;
const isRegister = (offset: number) => offset >= L.X && offset <= L.SP && offset !== L.ZERO && offset % 8 === 0;

/** A function that tells when a description branches within itself: flags may be set on both ways. */
export class RegionFunction extends FunctionBuilder {
  branching: ((condition: Expr<I32>, whenTrue: () => void, whenFalse?: () => void) => void) | undefined;
  override if(condition: Expr<I32>, whenTrue: () => void, whenFalse?: () => void): void {
    if (this.branching === undefined || constValue(condition) !== undefined) super.if(condition, whenTrue, whenFalse);
    else this.branching(condition, whenTrue, whenFalse);
  }
  plainIf(condition: Expr<I32>, whenTrue: () => void, whenFalse?: () => void): void {
    super.if(condition, whenTrue, whenFalse);
  }
}

/** How an instruction of a region moves control. */
export interface RegionFlow {
  /** Before this instruction: the interpreter does it. */
  abandon(): void;
  /** To the end's target; this instruction retires. */
  branch(): void;
  branchIf(condition: Expr<I32>): void;
  branchTo(target: Expr<I64>): void;
}

/** What every instruction of a region shares. */
export interface RegionShared {
  readonly f: RegionFunction;
  readonly state: Expr<I32>;
  /** Virtual address of the page that offsets count from. */
  readonly base: Expr<I64>;
  readonly tlbSet: Expr<I32>;
  readonly spAlign: Expr<I32>;
  readonly registers: RegionRegisters;
  readonly flow: RegionFlow;
  readonly helper: (name: string, make?: (module: ModuleBuilder) => Callable) => Callable;
  /** Of a system register's encoding, see `sysreg/dispatch.ts`. */
  readonly dispatchWord: (word: number) => number;
}

/** Ifs of one block that may set flags on both ways and still have them known. */
const CHOICES = 4;

export class RegionContext extends LazyFlags implements Context {
  readonly f: RegionFunction;
  readonly state: Expr<I32>;
  readonly #shared: RegionShared;
  readonly #choices: readonly Local<I32>[];
  #choice = 0;
  #instruction: Instruction | undefined;
  /** FP access was checked in this block. */
  #fpChecked = false;

  constructor(shared: RegionShared) {
    const { f } = shared;
    super({ a: f.local(I64), b: f.local(I64), carry: f.local(I32), form: f.local(I32) });
    this.f = f;
    this.state = shared.state;
    this.#shared = shared;
    this.#choices = Array.from({ length: CHOICES }, () => f.local(I32));
    f.branching = (condition, whenTrue, whenFalse) => this.#choose(condition, whenTrue, whenFalse);
  }
  protected override get lazyNzcv(): Callable {
    return this.#shared.helper("lazyNzcv");
  }

  beginBlock(): void {
    this.#choice = 0;
    this.#fpChecked = false;
  }
  execute(instruction: Instruction): void {
    this.#instruction = instruction;
    const { description, statics } = instruction;
    this.f.scope(() => {
      if (description.fp) this.#checkFpEnabled();
      description.execute(this, statics);
    });
  }
  get #at(): Instruction {
    return this.#instruction as Instruction;
  }

  /** An if of a description: where both ways set flags, remember which it was. */
  #choose(condition: Expr<I32>, whenTrue: () => void, whenFalse?: () => void): void {
    const { f } = this;
    const chosen = this.#choices[this.#choice];
    if (chosen !== undefined) f.set(chosen, condition);
    const before = this.known;
    let first = before;
    f.plainIf(
      chosen ?? condition,
      () => {
        whenTrue();
        first = this.known;
        this.known = before;
      },
      whenFalse,
    );
    const second = this.known;
    if (sameForm(first, second)) return;
    this.#choice++;
    this.known =
      chosen === undefined || first === undefined || second === undefined ? undefined : { chosen, first, second };
  }

  override temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    return this.f.temp(e);
  }
  local<T extends ValueType>(type: T): Local<T> {
    return this.f.local(type);
  }

  // ---- operands
  #operand<N extends keyof Operands>(name: N): NonNullable<Operands[N]> {
    const value = this.#at.operands[name];
    if (value === undefined) throw new Error(`BUG: ${this.#at.description.name} has no operand ${name}`);
    return value as NonNullable<Operands[N]>;
  }
  imm(): Expr<I32> {
    // logical immediates of W registers are the low half of the 64-bit one, in both tiers
    return this.#at.operands.imm ?? toI32(this.#operand("imm64"));
  }
  imm2(): Expr<I32> {
    return this.#operand("imm2");
  }
  imm64(): Expr<I64> {
    return this.#operand("imm64");
  }
  pc(): Expr<I64> {
    return add(this.#shared.base, this.#at.offset);
  }
  word(): Expr<I32> {
    return i32(this.#at.word);
  }
  operand(slot: Slot): Expr<I32> {
    return this.#operand(slot);
  }
  field<K extends "i32" | "i64">(kind: K, offset: Expr<I32>): Expr<K extends "i64" ? I64 : I32> {
    const value = this.#read(constValue(offset) as number);
    return (kind === "i64" ? value : toI32(value)) as Expr as Expr<K extends "i64" ? I64 : I32>;
  }
  setField(kind: "i32" | "i64", offset: Expr<I32>, value: Expr): void {
    this.#write(constValue(offset) as number, kind === "i64" ? (value as Expr<I64>) : toI64U(value as Expr<I32>));
  }

  // ---- registers
  #read(offset: number): Expr<I64> {
    return offset === L.ZERO || offset === L.SINK ? i64(0) : this.#shared.registers.get(offset);
  }
  #write(offset: number, value: Expr<I64>): void {
    if (offset === L.SINK || offset === L.ZERO) {
      if (value.hasEffects) this.f.drop(value);
      return;
    }
    this.f.set(this.#shared.registers.get(offset), value);
    this.#shared.registers.written.add(offset);
  }
  #offset(slot: Slot): number {
    return constValue(this.#operand(slot)) as number;
  }
  x(slot: Slot): Expr<I64> {
    return this.#read(this.#offset(slot));
  }
  w(slot: Slot): Expr<I32> {
    return toI32(this.x(slot));
  }
  setX(slot: Slot, value: Expr<I64>): void {
    this.#write(this.#offset(slot), value);
  }
  setW(slot: Slot, value: Expr<I32>): void {
    this.setX(slot, toI64U(value));
  }
  v(slot: Slot): Expr<V128> {
    return loadV128(this.state, this.#offset(slot));
  }
  setV(slot: Slot, value: Expr<V128>): void {
    this.f.storeV128(this.state, value, this.#offset(slot));
  }
  vAddress(slot: Slot): Expr<I32> {
    return add(this.state, this.#offset(slot));
  }
  setVLow(slot: Slot, value: Expr<I64>): void {
    const low = this.temp(value);
    this.f.store("i64", this.state, low, this.#offset(slot));
    this.f.store("i64", this.state, i64(0), this.#offset(slot) + 8);
  }

  // ---- memory
  /** The TLB's fast path; a miss leaves the region before the instruction. */
  #translate(address: Expr<I64>, bytes: number, array: number, options: AccessDescriptor): Expr<I32> {
    const named = this.temp(address);
    const set = options.unprivileged === true ? load("i32", this.state, L.TLB_SET_EL0) : this.#shared.tlbSet;
    const entry = this.temp(add(set, and(toI32(shrU(named, 8)), 0x3ff0)));
    // a misaligned access of the aligned kind keeps low bits, which no tag has
    const page =
      options.aligned === true
        ? and(named, -4096 | ((options.alignment ?? bytes) - 1))
        : and(bytes > 1 ? add(named, bytes - 1) : named, -4096);
    this.f.plainIf(ne(load("i64", entry, array), page), () => this.#shared.flow.abandon());
    return this.temp(add(toI32(named), load("i32", entry, array + 8)));
  }
  load(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    return this.#translate(address, bytes, TLB.READ, options);
  }
  writeAddress(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    return this.#translate(address, bytes, TLB.WRITE, options);
  }
  /** What works on a copy is misaligned, and left to the interpreter. */
  commit(): void {}
  store(address: Expr<I64>, bytes: number, write: (host: Expr<I32>) => void, options: AccessDescriptor = {}): void {
    write(this.#translate(address, bytes, TLB.WRITE, options));
  }
  zeroBlock(address: Expr<I64>, bytes: number): void {
    const zero = v128([0n, 0n]);
    this.store(
      and(address, -bytes),
      bytes,
      (host) => {
        for (let offset = 0; offset < bytes; offset += 16) this.f.storeV128(host, zero, offset);
      },
      { aligned: true },
    );
  }
  checkSpAlignment(): void {
    const sp = this.#shared.registers.get(L.SP);
    this.f.plainIf(and(toI32(sp), this.#shared.spAlign), () => this.#shared.flow.abandon());
  }

  // ---- exclusives
  clearExclusive(): void {
    clearMonitor(this);
  }
  setExclusive(host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): void {
    setMonitor(this, host, bytes, low, high);
  }
  storeExclusive(host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): Expr<I32> {
    return storeIfMonitored(this, host, bytes, low, high);
  }
  compareAndSwap128(
    host: Expr<I32>,
    expected: readonly [Expr<I64>, Expr<I64>],
    replacement: readonly [Expr<I64>, Expr<I64>],
  ): readonly [Expr<I64>, Expr<I64>] {
    return compareAndSwap128(this, host, expected, replacement);
  }

  // ---- control flow
  branch(): void {
    this.#shared.flow.branch();
  }
  branchIf(condition: Expr<I32>): void {
    this.#shared.flow.branchIf(condition);
  }
  branchTo(target: Expr<I64>): void {
    this.#shared.flow.branchTo(target);
  }
  link(): void {
    this.#write(LINK, add(this.pc(), 4));
  }

  // ---- system: mostly the interpreter's
  #checkFpEnabled(): void {
    if (this.#fpChecked) return;
    this.#fpChecked = true;
    this.f.plainIf(eqz(load("i32", this.state, L.FP_ENABLED)), () => this.#shared.flow.abandon());
  }
  systemRead(): Expr<I64> {
    const word = this.#shared.dispatchWord(this.#at.word);
    this.f.plainIf(eqz(plainReadGuard(this.state, word)), () => this.#shared.flow.abandon());
    return this.temp(plainReadValue(this.state, word));
  }
  exception(): void {
    this.#shared.flow.abandon();
  }
  systemWrite(): void {
    this.#shared.flow.abandon();
  }
  pstateWrite(): void {
    this.#shared.flow.abandon();
  }
  waitHint(): void {
    this.#shared.flow.abandon();
  }
  helper(name: string, make: (module: ModuleBuilder) => Callable): Callable {
    return this.#shared.helper(name, make);
  }
}
