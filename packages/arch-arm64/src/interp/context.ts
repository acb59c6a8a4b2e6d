/**
 * The interpreter's `Context`: operands come from a predecoded record, registers from the state block.
 *
 * Two kinds share it: handlers inside the dispatch loop, where the loop's variables are at hand, and handlers that are
 * functions (s, p) -> next record or 0, which keep everything in the state block. `Exits` is the difference.
 */
import type { AccessDescriptor, Context, ExceptionKind } from "../isa/context.ts";
import type { Slot } from "../isa/description.ts";
import { type FlagExpr, type FlagWord, FlagWords } from "../isa/flag-words.ts";
import { ACCDESC, L, TLB } from "../state/layout.ts";
import type { SYSTEM_FUNCTIONS } from "../state/seam.ts";
import {
  add,
  and,
  type Callable,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  FunctionRef,
  I32,
  type I64,
  i32,
  i64,
  type Local,
  load,
  loadV128,
  type ModuleBuilder,
  ne,
  shrU,
  sub,
  toI32,
  toI64S,
  toI64U,
  type V128,
  type ValueType,
  v128,
} from "../wasm/index.ts";
import { branchTargetOf } from "./code-cache.ts";
import { clearMonitor, compareAndSwap128, setMonitor, storeIfMonitored } from "./exclusives.ts";
import { BRANCH_TARGET, FLAGS, INTERP, RECORD } from "./layout.ts";

/** The system side's functions, by the names of the seam. */
export type SystemFunctions = { readonly [name in keyof typeof SYSTEM_FUNCTIONS]: Callable };

/** Helpers of the interpreter itself. */
export interface InterpreterFunctions {
  /** (s, p, left, va, accdesc) -> host or 0: the TLB missed. Stores what the system side wants to know. */
  readonly tlbMiss: Callable;
  /** (s, va, left) -> record or 0. */
  readonly look: Callable;
  /** (s, record): a branch goes there. */
  readonly count: Callable;
  /** (s): the record that was set aside begins its region again. */
  readonly backFromAside: Callable;
  /** (record, target): the branch through a register goes elsewhere than before. */
  readonly noteTarget: Callable;
}

/** What all handlers of one module share. */
export interface InterpreterParts {
  readonly system: SystemFunctions;
  readonly own: InterpreterFunctions;
  /** Made by `Context.helper`, by name. */
  readonly helpers: Map<string, Callable>;
  readonly module: ModuleBuilder;
}

/** How code leaves a handler. */
export interface Exits {
  /** Budget when the record at p begins. */
  left(): Expr<I32>;
  /** pc - (p >> 2). */
  bias(): Expr<I64>;
  tlbSet(): Expr<I32>;
  /** To the next record. */
  next(): void;
  /** To the record at p + distance, in the same page; one instruction retires. */
  jump(distance: Expr<I32>, isCall: boolean): void;
  /** To a virtual address; one instruction retires. */
  jumpTo(target: Expr<I64>): void;
  /** PC and BUDGET are up to date in the state block: look everything up anew. */
  resume(): void;
}

const PAGE_MASK = -4096;
/** Exports of the module that are helpers of descriptions: this and the helper's name. */
const HELPER_PREFIX = "helper.";

export class InterpreterContext extends FlagWords implements Context {
  readonly f: FunctionBuilder;
  readonly state: Expr<I32>;
  readonly #p: Expr<I32>;
  readonly #exits: Exits;
  readonly #system: SystemFunctions;
  readonly #own: InterpreterFunctions;
  readonly #helpers: Map<string, Callable>;
  readonly #module: ModuleBuilder;
  readonly #samePage: boolean;
  /** The branch is a call. */
  #links = false;

  constructor(
    f: FunctionBuilder,
    state: Expr<I32>,
    p: Expr<I32>,
    exits: Exits,
    parts: InterpreterParts,
    samePage: boolean,
  ) {
    super();
    this.f = f;
    this.state = state;
    this.#p = p;
    this.#exits = exits;
    this.#system = parts.system;
    this.#own = parts.own;
    this.#helpers = parts.helpers;
    this.#module = parts.module;
    this.#samePage = samePage;
  }

  override temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    return this.f.temp(e);
  }
  local<T extends ValueType>(type: T): Local<T> {
    return this.f.local(type);
  }

  // ---- operands
  imm(): Expr<I32> {
    return load("i32", this.#p, RECORD.IMM);
  }
  imm2(): Expr<I32> {
    return load("i32", this.#p, RECORD.IMM2);
  }
  imm64(): Expr<I64> {
    return load("i64", this.#p, RECORD.IMM);
  }
  pc(): Expr<I64> {
    return add(this.#exits.bias(), toI64U(shrU(this.#p, 2)));
  }
  word(): Expr<I32> {
    return load("i32", add(load("i32", this.state, INTERP.HOST), shrU(this.#p, 2)));
  }
  operand(slot: Slot): Expr<I32> {
    return load("i32_16u", this.#p, { d: RECORD.D, n: RECORD.N, m: RECORD.M, a: RECORD.A }[slot]);
  }
  #address(slot: Slot): Expr<I32> {
    return add(this.state, this.operand(slot));
  }
  field<K extends "i32" | "i64">(kind: K, offset: Expr<I32>): Expr<K extends "i64" ? I64 : I32> {
    return load(kind, add(this.state, offset)) as Expr as Expr<K extends "i64" ? I64 : I32>;
  }
  setField(kind: "i32" | "i64", offset: Expr<I32>, value: Expr): void {
    this.f.store(kind, add(this.state, offset), value);
  }

  // ---- registers
  x(slot: Slot): Expr<I64> {
    return load("i64", this.#address(slot));
  }
  w(slot: Slot): Expr<I32> {
    return load("i32", this.#address(slot));
  }
  setX(slot: Slot, value: Expr<I64>): void {
    this.f.store("i64", this.#address(slot), value);
  }
  setW(slot: Slot, value: Expr<I32>): void {
    this.setX(slot, toI64U(value));
  }
  v(slot: Slot): Expr<V128> {
    return loadV128(this.#address(slot));
  }
  setV(slot: Slot, value: Expr<V128>): void {
    this.f.storeV128(this.#address(slot), value);
  }
  vAddress(slot: Slot): Expr<I32> {
    return this.temp(this.#address(slot));
  }
  setVLow(slot: Slot, value: Expr<I64>): void {
    const address = this.vAddress(slot);
    const low = this.temp(value);
    this.f.store("i64", address, low);
    this.f.store("i64", address, i64(0), 8);
  }

  // ---- flags
  protected override readFlag<W extends FlagWord>(word: W): FlagExpr<W> {
    return load(word === "C" ? "i32" : "i64", this.state, FLAGS[word]) as Expr as FlagExpr<W>;
  }
  protected override writeFlag<W extends FlagWord>(word: W, value: FlagExpr<W>): void {
    this.f.store(word === "C" ? "i32" : "i64", this.state, value, FLAGS[word]);
  }

  // ---- memory
  #accdesc(bytes: number, options: AccessDescriptor, write: boolean): number {
    return (
      bytes |
      (write ? ACCDESC.WRITE : 0) |
      (options.unprivileged === true ? ACCDESC.UNPRIVILEGED : 0) |
      (options.atomic === true ? ACCDESC.ATOMIC : 0) |
      (options.aligned === true ? ACCDESC.ALIGNED : 0) |
      (options.ordered === true ? ACCDESC.ORDERED : 0) |
      (options.orderedOnly === true ? ACCDESC.ORDERED_ONLY : 0)
    );
  }
  /** TLB lookup; `hit` gets the address in the fast case, `miss` after the slow one. */
  #translate(
    address: Expr<I64>,
    bytes: number,
    write: boolean,
    options: AccessDescriptor,
    hit: (host: Expr<I32>) => void,
    miss: (host: Expr<I32>) => void,
  ): void {
    const f = this.f;
    const array = write ? TLB.WRITE : TLB.READ;
    const set = options.unprivileged === true ? load("i32", this.state, L.TLB_SET_EL0) : this.#exits.tlbSet();
    const entry = this.temp(add(set, and(toI32(shrU(address, 8)), 0x3ff0)));
    // a misaligned access of the aligned kind keeps low bits, which no tag has
    const page =
      options.aligned === true
        ? and(address, PAGE_MASK | ((options.alignment ?? bytes) - 1))
        : and(bytes > 1 ? add(address, bytes - 1) : address, PAGE_MASK);
    f.if(
      eq(load("i64", entry, array), page),
      () => hit(add(toI32(address), load("i32", entry, array + 8))),
      () => {
        const host = f.local(I32);
        f.set(
          host,
          call<I32>(
            this.#own.tlbMiss,
            this.state,
            this.#p,
            this.#exits.left(),
            address,
            i32(this.#accdesc(bytes, options, write)),
          ),
        );
        f.if(eqz(host), () => this.#exits.resume());
        miss(host);
      },
    );
  }
  load(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    const named = this.temp(address);
    const host = this.local(I32);
    const set = (e: Expr<I32>) => this.f.set(host, e);
    this.#translate(named, bytes, false, options, set, set);
    return host;
  }
  writeAddress(address: Expr<I64>, bytes: number, options: AccessDescriptor = {}): Expr<I32> {
    const named = this.temp(address);
    const host = this.local(I32);
    const set = (e: Expr<I32>) => this.f.set(host, e);
    this.#translate(named, bytes, true, options, set, set);
    return host;
  }
  commit(host: Expr<I32>): void {
    this.f.if(eq(host, add(this.state, L.BOUNCE)), () => this.f.call(this.#system.bounceCommit, [this.state]));
  }
  store(address: Expr<I64>, bytes: number, write: (host: Expr<I32>) => void, options: AccessDescriptor = {}): void {
    const named = this.temp(address);
    this.#translate(
      named,
      bytes,
      true,
      options,
      (host) => write(this.temp(host)),
      (host) => {
        write(host);
        if (bytes > 1) this.commit(host);
      },
    );
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
    this.f.if(and(load("i32", this.state, L.SP), load("i32", this.state, L.SP_ALIGN)), () =>
      this.#raise(this.#system.spAlignment, []),
    );
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
    if (this.#samePage) this.#exits.jump(this.imm(), this.#links);
    else this.#exits.jumpTo(add(this.pc(), toI64S(this.imm())));
  }
  branchIf(condition: Expr<I32>): void {
    this.f.if(condition, () => this.branch());
  }
  branchTo(target: Expr<I64>, isReturn: boolean): void {
    if (!isReturn) {
      const site = this.temp(branchTargetOf(this.#p));
      const known = and(
        eq(load("i32", site, BRANCH_TARGET.RECORD), this.#p),
        eq(load("i64", site, BRANCH_TARGET.LAST), target),
      );
      this.f.if(eqz(known), () => this.f.call(this.#own.noteTarget, [this.#p, target]));
    }
    this.#exits.jumpTo(target);
  }
  link(): void {
    this.#links = true;
    this.f.store("i64", this.state, add(this.pc(), 4), L.X + 8 * 30);
  }

  // ---- system
  /** Bring PC, WORD and BUDGET up to date; `retired` counts this instruction. */
  #spill(retired: number): void {
    this.f.store("i64", this.state, this.pc(), L.PC);
    this.f.store("i32", this.state, this.word(), L.WORD);
    this.f.store("i32", this.state, sub(this.#exits.left(), retired), L.BUDGET);
  }
  #raise(callee: Callable, args: readonly Expr[]): void {
    // an exception counts as an instruction: a vector that faults itself must not stop `run` from ending
    this.#spill(1);
    this.f.call(callee, [this.state, ...args]);
    this.#exits.resume();
  }
  exception(kind: ExceptionKind, immediate?: Expr<I32>): void {
    if (kind === "undefined" || kind === "eret" || kind === "eretTo" || kind === "pauth")
      this.#raise(this.#system[kind], []);
    else this.#raise(this.#system[kind], [immediate ?? i32(0)]);
  }
  /** CheckFPAdvSIMDEnabled64. */
  checkFpEnabled(): void {
    this.f.if(eqz(load("i32", this.state, L.FP_ENABLED)), () => this.#raise(this.#system.fpTrap, []));
  }
  /** This instruction did not complete: resume at PC, having spent one of the budget. */
  #abandon(): void {
    this.f.store("i32", this.state, sub(this.#exits.left(), 1), L.BUDGET);
    this.#exits.resume();
  }
  systemRead(): Expr<I64> {
    this.#spill(0);
    this.f.if(eqz(call<I32>(this.#system.sysRead, this.state, this.word())), () => this.#abandon());
    return this.temp(load("i64", this.state, L.SYS_VALUE));
  }
  #systemAction(callee: Callable): void {
    this.#spill(0);
    const result = this.temp(call<I32>(callee, this.state, this.word()));
    this.f.if(ne(result, 1), () => {
      this.f.if(result, () => this.f.store("i64", this.state, add(this.pc(), 4), L.PC));
      this.#abandon();
    });
  }
  systemWrite(value: Expr<I64>): void {
    this.f.store("i64", this.state, value, L.SYS_VALUE);
    this.#systemAction(this.#system.sysWrite);
  }
  pstateWrite(): void {
    this.#systemAction(this.#system.msrImmediate);
  }
  waitHint(kind: number): void {
    this.#spill(0);
    this.f.if(eqz(call<I32>(this.#system.waitHint, this.state, i32(kind))), () => this.#abandon());
  }
  helper(name: string, make: (module: ModuleBuilder) => Callable): Callable {
    const known = this.#helpers.get(name);
    if (known !== undefined) return known;
    const made = make(this.#module);
    this.#helpers.set(name, made);
    // regions import it
    if (made instanceof FunctionRef) this.#module.export(`${HELPER_PREFIX}${name}`, made);
    return made;
  }
}
