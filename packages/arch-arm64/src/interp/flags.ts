/**
 * NZCV between its packed form (bits 31:28, as in SPSR) and the interpreter's four words.
 */
import { type FlagExpr, type FlagWord, FlagWords } from "../isa/flag-words.ts";
import { L } from "../state/layout.ts";
import {
  and,
  type Expr,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  load,
  type ModuleBuilder,
  shl,
  shrU,
  type ValueType,
} from "../wasm/index.ts";
import { FLAGS } from "./layout.ts";

/** The flag words of a state block. */
class StateFlags extends FlagWords {
  readonly #f: FunctionBuilder;
  readonly #s: Expr<I32>;
  constructor(f: FunctionBuilder, s: Expr<I32>) {
    super();
    this.#f = f;
    this.#s = s;
  }
  override temp<T extends ValueType>(e: Expr<T>): Expr<T> {
    return this.#f.temp(e);
  }
  protected override readFlag<W extends FlagWord>(word: W): FlagExpr<W> {
    return load(word === "C" ? "i32" : "i64", this.#s, FLAGS[word]) as Expr as FlagExpr<W>;
  }
  protected override writeFlag<W extends FlagWord>(word: W, value: FlagExpr<W>): void {
    this.#f.store(word === "C" ? "i32" : "i64", this.#s, value, FLAGS[word]);
  }
}

/** packNzcv(s) -> bits 31:28, also stored in the state block; unpackNzcv(s, bits 31:28). */
export function defineFlags(module: ModuleBuilder): {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
} {
  const packNzcv = module.func(
    "packNzcv",
    [I32],
    [I32],
    (f, s) => {
      const packed = f.local(I32);
      f.set(packed, shl(new StateFlags(f, s).nzcv(), 28));
      f.store("i32", s, packed, L.NZCV);
      f.return(packed);
    },
    { export: true },
  );
  const unpackNzcv = module.func(
    "unpackNzcv",
    [I32, I32],
    [],
    (f, s, nzcv) => {
      f.store("i32", s, and(nzcv, 0xf0000000 | 0), L.NZCV);
      new StateFlags(f, s).setNzcv(shrU(nzcv, 28));
    },
    { export: true },
  );
  return { packNzcv, unpackNzcv };
}
