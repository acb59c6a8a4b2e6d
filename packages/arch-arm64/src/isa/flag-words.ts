/**
 * NZCV as four words, so that setting flags costs no packing and a test reads one or two of them. What a word is (a
 * field of the state block, a local) is for the subclass to say.
 */
import {
  add,
  and,
  type Expr,
  eqz,
  geS,
  I32,
  type I64,
  i32,
  i64,
  ltS,
  ltU,
  ne,
  or,
  shl,
  shrU,
  sub,
  toI64S,
  toI64U,
  type ValueType,
  xor,
} from "../wasm/index.ts";

/** N: i64, the sign bit is N. Z: i64, zero when Z is 1. V: i64, the sign bit is V. C: i32, 0 or 1. */
export type FlagWord = "N" | "Z" | "V" | "C";
export type FlagExpr<W extends FlagWord> = Expr<W extends "C" ? I32 : I64>;

/** Values are sign-extended to 64 bits, so that one test serves both widths. */
const wide = (e: Expr<I32 | I64>): Expr<I64> => (e.type === I32 ? toI64S(e as Expr<I32>) : (e as Expr<I64>));

export abstract class FlagWords {
  abstract temp<T extends ValueType>(e: Expr<T>): Expr<T>;
  protected abstract readFlag<W extends FlagWord>(word: W): FlagExpr<W>;
  protected abstract writeFlag<W extends FlagWord>(word: W, value: FlagExpr<W>): void;

  setFlags(result: Expr<I32 | I64>, carry: Expr<I32>, overflow: Expr<I32 | I64>): void {
    const value = result.type === I32 ? this.temp(wide(result)) : wide(result);
    this.writeFlag("N", value);
    this.writeFlag("Z", value);
    this.writeFlag("C", carry);
    this.writeFlag("V", wide(overflow));
  }
  setFlagsAdd(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void {
    const [x, y] = [a as Expr<I32>, b as Expr<I32>];
    const result = this.temp(add(x, y));
    this.setFlags(result, ltU(result, x), and(xor(result, x), xor(result, y)));
  }
  setFlagsSub(a: Expr<I32 | I64>, b: Expr<I32 | I64>): void {
    const [x, y] = [a as Expr<I32>, b as Expr<I32>];
    const result = this.temp(sub(x, y));
    // no borrow: a >= b, unsigned
    this.setFlags(result, eqz(ltU(x, y)), and(xor(x, y), xor(x, result)));
  }
  setFlagsLogic(result: Expr<I32 | I64>): void {
    this.setFlags(result, i32(0), i64(0));
  }
  /** From four bits, N=8 Z=4 C=2 V=1. */
  setNzcv(value: Expr<I32>): void {
    const named = this.temp(value);
    const bit = (n: number): Expr<I64> => toI64U(and(shrU(named, n), 1));
    this.writeFlag("N", sub(i64(0), bit(3)));
    this.writeFlag("Z", toI64U(ne(and(shrU(named, 2), 1), 1)));
    this.writeFlag("C", and(shrU(named, 1), 1));
    this.writeFlag("V", sub(i64(0), bit(0)));
  }
  nzcv(): Expr<I32> {
    const n = ltS(this.readFlag("N"), 0);
    const z = eqz(this.readFlag("Z"));
    const v = ltS(this.readFlag("V"), 0);
    return or(or(shl(n, 3), shl(z, 2)), or(shl(this.readFlag("C"), 1), v));
  }
  carry(): Expr<I32> {
    return this.readFlag("C");
  }
  /** ConditionHolds. Source: DDI 0487, shared/functions/system/ConditionHolds. */
  condition(cond: number): Expr<I32> {
    const n = this.readFlag("N");
    const z = this.readFlag("Z");
    const v = this.readFlag("V");
    const c = this.readFlag("C");
    const inverted = (cond & 1) === 1;
    switch (cond >> 1) {
      case 0:
        return inverted ? ne(z, 0) : eqz(z);
      case 1:
        return inverted ? eqz(c) : c;
      case 2:
        return inverted ? geS(n, 0) : ltS(n, 0);
      case 3:
        return inverted ? geS(v, 0) : ltS(v, 0);
      case 4:
        return inverted ? or(eqz(c), eqz(z)) : and(c, ne(z, 0));
      case 5:
        return inverted ? ltS(xor(n, v), 0) : geS(xor(n, v), 0);
      case 6:
        return inverted ? or(eqz(z), ltS(xor(n, v), 0)) : and(ne(z, 0), geS(xor(n, v), 0));
      default:
        return i32(1);
    }
  }
}
