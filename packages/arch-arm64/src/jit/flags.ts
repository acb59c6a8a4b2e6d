/**
 * NZCV of the region compiler: what set them last, in locals, and which of its forms that was, known while compiling
 * wherever the way there is known. Nothing is computed until somebody asks, and mostly that is a conditional branch.
 */
import { FLAGS } from "../interp/layout.ts";
import { type FlagExpr, type FlagWord, FlagWords } from "../isa/flag-words.ts";
import {
  add,
  and,
  type Callable,
  call,
  constValue,
  type Expr,
  eq,
  type FunctionBuilder,
  type FunctionRef,
  geS,
  geU,
  gtS,
  gtU,
  I32,
  I64,
  type IntType,
  i32,
  i64,
  type Local,
  leS,
  leU,
  load,
  ltS,
  ltU,
  type ModuleBuilder,
  ne,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64S,
  toI64U,
  type ValueType,
  xor,
} from "../wasm/index.ts";

/** What the locals a, b (i64) and carry (i32) hold. */
export const Form = {
  /** Nothing: the flag words of the state block hold. */
  STATE: 0,
  /** Operands of a subtraction; those of 32 bits zero-extended. */
  SUB64: 1,
  SUB32: 2,
  ADD64: 3,
  ADD32: 4,
  /** a: N and Z as the flag words have them; b: V; carry. */
  WORDS: 5,
  /** a: four bits, N=8 Z=4 C=2 V=1. */
  PACKED: 6,
} as const;
export type Form = (typeof Form)[keyof typeof Form];

/**
 * What is known of the form at a place: one form; after an instruction that set flags on two ways, both with the local that
 * chose between them (not 0: the first); or undefined, and a local has the form's number.
 */
export type KnownForm =
  | { readonly form: Form; readonly packed?: number }
  | { readonly chosen: Local<I32>; readonly first: KnownForm; readonly second: KnownForm }
  | undefined;

export interface FlagLocals {
  readonly a: Local<I64>;
  readonly b: Local<I64>;
  readonly carry: Local<I32>;
  readonly form: Local<I32>;
}

/** The words of one form, as `FlagWords` wants them. */
function formWords(form: Form, packed: number | undefined, v: FlagLocals, state: Expr<I32>) {
  const low = (e: Expr<I64>) => toI64S(toI32(e));
  switch (form) {
    case Form.STATE: {
      const word = (name: "N" | "Z" | "V") => load("i64", state, FLAGS[name]);
      return { N: word("N"), Z: word("Z"), V: word("V"), C: load("i32", state, FLAGS.C) };
    }
    case Form.SUB64: {
      const result = sub<I64>(v.a, v.b);
      return { N: result, Z: result, V: and(xor<I64>(v.a, v.b), xor<I64>(v.a, result)), C: geU<I64>(v.a, v.b) };
    }
    case Form.SUB32: {
      const [x, y] = [toI32(v.a), toI32(v.b)];
      const result = low(sub<I64>(v.a, v.b));
      return { N: result, Z: result, V: low(and(xor<I64>(v.a, v.b), xor<I64>(v.a, result))), C: geU(x, y) };
    }
    case Form.ADD64: {
      const result = add<I64>(v.a, v.b);
      return { N: result, Z: result, V: and(xor(result, v.a), xor(result, v.b)), C: ltU(result, v.a) };
    }
    case Form.ADD32: {
      const x = toI32(v.a);
      const result = low(add<I64>(v.a, v.b));
      return {
        N: result,
        Z: result,
        V: low(and(xor(result, v.a), xor(result, v.b))),
        C: ltU(add(x, toI32(v.b)), x),
      };
    }
    case Form.WORDS:
      return { N: v.a as Expr<I64>, Z: v.a as Expr<I64>, V: v.b as Expr<I64>, C: v.carry as Expr<I32> };
    default: {
      const bits: Expr<I64> = packed === undefined ? v.a : i64(packed);
      return {
        N: shl(bits, 60),
        Z: xor(and(bits, 4), 4),
        V: shl(bits, 63),
        C: and(toI32(shrU(bits, 1)), 1),
      };
    }
  }
}

/** Comparisons that need no flags after a subtraction, by cond. */
const AFTER_SUB: { readonly [cond: number]: (a: Expr<IntType>, b: Expr<IntType>) => Expr<I32> } = {
  0: eq,
  1: ne,
  2: geU,
  3: ltU,
  8: gtU,
  9: leU,
  10: geS,
  11: ltS,
  12: gtS,
  13: leS,
};

/** Flags of one form, to be read. */
class FlagsOfForm extends FlagWords {
  readonly #words: ReturnType<typeof formWords>;
  constructor(form: Form, packed: number | undefined, locals: FlagLocals, state: Expr<I32>) {
    super();
    this.#words = formWords(form, packed, locals, state);
  }
  override temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    return e;
  }
  protected override readFlag<W extends FlagWord>(word: W): FlagExpr<W> {
    return this.#words[word] as Expr as FlagExpr<W>;
  }
  protected override writeFlag(): void {
    throw new Error("BUG: flags of a form are only read");
  }
}

/** Wasm functions of the interpreter's module that know every form. */
export interface LazyFlagFunctions {
  /** (s, form, a, b, carry) -> four bits, N=8 Z=4 C=2 V=1. */
  readonly lazyNzcv: FunctionRef;
  /** (s, form, a, b, carry): into the state block's words. */
  readonly lazyStore: FunctionRef;
}
export const LAZY_PARAMS = [I32, I32, I64, I64, I32] as const;

export function defineLazyFlags(module: ModuleBuilder, unpackNzcv: Callable): LazyFlagFunctions {
  const lazyNzcv = module.func(
    "helper.lazyNzcv",
    LAZY_PARAMS,
    [I32],
    (f, s, form, a, b, carry) => {
      const forms = Object.values(Form).sort();
      f.switch(
        form,
        forms.map((each) => () => f.return(new FlagsOfForm(each, undefined, { a, b, carry, form }, s).nzcv())),
      );
    },
    { export: true },
  );
  const lazyStore = module.func(
    "helper.lazyStore",
    LAZY_PARAMS,
    [],
    (f, s, form, a, b, carry) => {
      f.if(form, () => f.call(unpackNzcv, [s, shl(call<I32>(lazyNzcv, s, form, a, b, carry), 28)]));
    },
    { export: true },
  );
  return { lazyNzcv, lazyStore };
}

/** Flags of a region under way. */
export abstract class LazyFlags extends FlagWords {
  abstract readonly f: FunctionBuilder;
  abstract readonly state: Expr<I32>;
  readonly locals: FlagLocals;
  /** At the place that is being generated. */
  known: KnownForm;
  protected abstract readonly lazyNzcv: Callable;

  constructor(locals: FlagLocals) {
    super();
    this.locals = locals;
  }

  #become(form: Form, a: Expr<I32 | I64>, b?: Expr<I32 | I64>, packed?: number): void {
    const { f, locals } = this;
    const wide = (e: Expr<I32 | I64>) => (e.type === I32 ? toI64U(e as Expr<I32>) : (e as Expr<I64>));
    f.set(locals.a, wide(a));
    if (b !== undefined) f.set(locals.b, wide(b));
    f.set(locals.form, form);
    this.known = packed === undefined ? { form } : { form, packed };
  }
  override setFlagsSub(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void {
    this.#become(a.type === I32 ? Form.SUB32 : Form.SUB64, a, b);
  }
  override setFlagsAdd(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void {
    this.#become(a.type === I32 ? Form.ADD32 : Form.ADD64, a, b);
  }
  override setFlags(result: Expr<I32 | I64>, carry: Expr<I32>, overflow: Expr<I32 | I64>): void {
    const signed = (e: Expr<I32 | I64>) => (e.type === I32 ? toI64S(e as Expr<I32>) : (e as Expr<I64>));
    const [c, v] = [this.temp(carry), this.temp(signed(overflow))];
    this.#become(Form.WORDS, signed(result), v);
    this.f.set(this.locals.carry, c);
  }
  override setNzcv(value: Expr<I32>): void {
    this.#become(Form.PACKED, value, undefined, constValue(value) as number | undefined);
  }

  #of(known: { readonly form: Form; readonly packed?: number }): FlagsOfForm {
    return new FlagsOfForm(known.form, known.packed, this.locals, this.state);
  }
  /** The four bits of flags whose form is not known here, from now on known. */
  #resolve(): { readonly form: Form } {
    const { a, b, carry, form } = this.locals;
    this.f.set(a, toI64U(call<I32>(this.lazyNzcv, this.state, form, a, b, carry)));
    this.f.set(form, Form.PACKED);
    return { form: Form.PACKED };
  }
  #condition(known: KnownForm, cond: number): Expr<I32> {
    if (known === undefined) throw new Error("BUG: flags were not resolved");
    if ("chosen" in known)
      return select(known.chosen, this.#condition(known.first, cond), this.#condition(known.second, cond));
    const { a, b } = this.locals;
    const compare = AFTER_SUB[cond];
    if (compare !== undefined && known.form === Form.SUB64) return compare(a, b);
    if (compare !== undefined && known.form === Form.SUB32) return compare(toI32(a), toI32(b));
    return this.#of(known).condition(cond);
  }
  override condition(cond: number): Expr<I32> {
    if (cond >= 14) return i32(1);
    this.known ??= this.#resolve();
    return this.#condition(this.known, cond);
  }
  #simple(): FlagsOfForm {
    if (this.known === undefined || "chosen" in this.known) this.known = this.#resolve();
    return this.#of(this.known as { readonly form: Form; readonly packed?: number });
  }
  override nzcv(): Expr<I32> {
    return this.#simple().nzcv();
  }
  override carry(): Expr<I32> {
    return this.#simple().carry();
  }
  protected override readFlag(): never {
    throw new Error("BUG: flags of a region have forms, not words");
  }
  protected override writeFlag(): never {
    throw new Error("BUG: flags of a region have forms, not words");
  }
}

export const sameForm = (a: KnownForm, b: KnownForm): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    !("chosen" in a) &&
    !("chosen" in b) &&
    a.form === b.form &&
    a.packed === b.packed);
/** What holds at a place that both lead to. */
export function meet(a: KnownForm, b: KnownForm): KnownForm {
  if (a === undefined || b === undefined || "chosen" in a || "chosen" in b || a.form !== b.form) return undefined;
  return a.packed === b.packed ? a : { form: a.form };
}
