/**
 * The fast paths: WebAssembly's own arithmetic, which rounds to nearest.
 *
 * Its result stands when FPCR asks for nothing else, when the result is far from the limits of the format, and when IXC
 * is already set or the rounding error is known cheaply (the error of a sum by TwoSum; whether a product is exact by the
 * length of its factors).
 */
import { L } from "../state/layout.ts";
import {
  add,
  and,
  convert,
  div,
  type Expr,
  eq,
  eqz,
  type F32,
  F64,
  type FunctionBuilder,
  type I32,
  I64,
  i32,
  i64,
  load,
  ltU,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import type { FpCore } from "./core.ts";
import { F32_FORMAT, F64_FORMAT, FPCR, FPSR, type FpFormat } from "./format.ts";

export type Float = Expr<F32> | Expr<F64>;
export const asFloat = (format: FpFormat, a: Expr<I64>): Float =>
  format.bits === 64 ? convert("f64.reinterpret_i64", a) : convert("f32.reinterpret_i32", toI32(a));
export const asBits = (a: Float): Expr<I64> =>
  a.type === F64
    ? convert("i64.reinterpret_f64", a as Expr<F64>)
    : toI64U(convert("i32.reinterpret_f32", a as Expr<F32>));
export const asDouble = (a: Float): Expr<F64> =>
  a.type === F64 ? (a as Expr<F64>) : convert("f64.promote_f32", a as Expr<F32>);
export const fadd = (a: Float, b: Float) => add(a as Expr<F64>, b as Expr<F64>) as Float;
export const fsub = (a: Float, b: Float) => sub(a as Expr<F64>, b as Expr<F64>) as Float;
export const fmul = (a: Float, b: Float) => mul(a as Expr<F64>, b as Expr<F64>) as Float;
export const fdiv = (a: Float, b: Float) => div(a as Expr<F64>, b as Expr<F64>) as Float;
export const feq = (a: Float, b: Float) => eq(a as Expr<F64>, b as Expr<F64>);
export const temp = (f: FunctionBuilder, a: Float) => f.temp(a as Expr<F64>) as Float;

export class FpFast {
  readonly core: FpCore;
  constructor(core: FpCore) {
    this.core = core;
  }

  /**
   * Return `r` when it is right and its only flag can be IXC. `isExact` gives 1 when r has no rounding error; it can
   * tell only when the operands `normal` are normal.
   */
  attempt(
    f: FunctionBuilder,
    s: Expr<I32>,
    format: FpFormat,
    r: Float,
    isExact: () => Expr<I32>,
    normal: readonly Expr<I64>[] = [],
  ): void {
    const { core } = this;
    const bits = f.temp(asBits(r));
    f.if(and(this.#isSafe(format, bits), this.#isDefault(s)), () => {
      f.if(and(load("i32", s, L.FPSR), FPSR.IXC), () => f.return(bits));
      const known = normal.reduce<Expr<I32>>((e, a) => and(e, ne(core.exponentField(format, a), 0)), i32(1));
      f.if(known, () => {
        f.if(eqz(isExact()), () => core.raise(f, s, FPSR.IXC));
        f.return(bits);
      });
    });
  }

  /** Exponent field 2 to max - 1: the number was not tiny before it was rounded, nor is it infinite or a NaN. */
  #isSafe(format: FpFormat, bits: Expr<I64>): Expr<I32> {
    return ltU(sub(this.core.exponentField(format, bits), 2), format.maxExponent - 2);
  }
  /** Round to nearest, no flushing. */
  #isDefault(s: Expr<I32>): Expr<I32> {
    return eqz(and(this.core.fpcr(s), FPCR.RMODE | FPCR.FZ));
  }

  /** 1 when u * v == w exactly, for normal doubles with w the product rounded to nearest (or u the quotient w / v). */
  exactProduct(f: FunctionBuilder, u: Expr<F64>, v: Expr<F64>, w: Expr<F64>): Expr<I32> {
    const parts = [u, v, w].map((x) => {
      const bits = f.temp(convert("i64.reinterpret_f64", x));
      return {
        significand: or(and(bits, F64_FORMAT.fractionMask), 1n << 52n),
        exponent: this.core.exponentField(F64_FORMAT, bits),
      };
    });
    const [m, n, k] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]];
    // m * n = k * 2^j with j 52 or 53. Modulo 2^64 decides it, because the two sides differ by less than 2^54.
    const j = sub(add(k.exponent, F64_FORMAT.bias + 52), add(m.exponent, n.exponent));
    return eq(mul(m.significand, n.significand), shl(k.significand, toI64U(j)));
  }

  /** Return addend + a * b of single precision when double precision gives it. */
  fma32(f: FunctionBuilder, s: Expr<I32>, c: Expr<I64>, a: Expr<I64>, b: Expr<I64>): void {
    const { core } = this;
    const wide = (v: Expr<I64>) => convert("f64.promote_f32", convert("f32.reinterpret_i32", toI32(v)));
    const product = f.temp(mul(wide(a), wide(b)));
    const addend = f.temp(wide(c));
    const sum = f.temp(add(product, addend));
    const t = f.temp(sub(sum, product));
    const error = f.temp(add(sub(product, sub(sum, t)), sub(addend, t)));
    // Round the sum to odd, so that rounding it again to single precision is right.
    const sumBits = f.local(I64);
    f.set(sumBits, asBits(sum));
    f.if(and(ne(error, 0), eqz(toI32(and(sumBits, 1)))), () => {
      const away = eqz(toI32(shrU(xor(asBits(error), sumBits), 63)));
      f.set(sumBits, add(sumBits, select(away, i64(1), -1)));
    });
    const result = f.temp(convert("f32.demote_f64", convert("f64.reinterpret_i64", sumBits)));
    const bits = f.temp(asBits(result));
    f.if(and(this.#isSafe(F32_FORMAT, bits), this.#isDefault(s)), () => {
      f.if(eqz(and(load("i32", s, L.FPSR), FPSR.IXC)), () => {
        const inexact = ne(asBits(convert("f64.promote_f32", result)), sumBits);
        f.if(inexact, () => core.raise(f, s, FPSR.IXC));
      });
      f.return(bits);
    });
  }

  /**
   * Exponents that keep every partial result in range: product and sum by error-free transformations (Dekker's product,
   * Knuth's sum), then one rounding of the three-part sum to odd and to nearest (Boldo and Melquiond).
   */
  fma64(f: FunctionBuilder, s: Expr<I32>, c: Expr<I64>, a: Expr<I64>, b: Expr<I64>): void {
    const { core } = this;
    const near = (v: Expr<I64>) => ltU(sub(core.exponentField(F64_FORMAT, v), 1023 - 200), 400);
    f.if(and(and(near(a), near(b)), and(near(c), this.#isDefault(s))), () => {
      const double = (v: Expr<I64>) => f.temp(convert("f64.reinterpret_i64", v));
      const [x, y, z] = [double(a), double(b), double(c)] as [Expr<F64>, Expr<F64>, Expr<F64>];
      const split = (v: Expr<F64>): [Expr<F64>, Expr<F64>] => {
        const scaled = f.temp(mul(v, 2 ** 27 + 1));
        const high = f.temp(sub(scaled, sub(scaled, v)));
        return [high, f.temp(sub(v, high))];
      };
      const [xh, xl] = split(x);
      const [yh, yl] = split(y);
      const product = f.temp(mul(x, y));
      const low = f.temp(add(add(add(sub(mul(xh, yh), product), mul(xh, yl)), mul(xl, yh)), mul(xl, yl)));
      const twoSum = (u: Expr<F64>, v: Expr<F64>): [Expr<F64>, Expr<F64>] => {
        const sum = f.temp(add(u, v));
        const t = f.temp(sub(sum, u));
        return [sum, f.temp(add(sub(u, sub(sum, t)), sub(v, t)))];
      };
      const [uh, ul] = twoSum(z, low);
      const [th, tl] = twoSum(product, uh);
      const [vh, vl] = twoSum(tl, ul);
      const odd = f.local(I64);
      f.set(odd, asBits(vh));
      f.if(and(ne(vl, 0), eqz(toI32(and(odd, 1)))), () => {
        const away = eqz(toI32(shrU(xor(asBits(vl), odd), 63)));
        f.set(odd, add(odd, select(away, i64(1), -1)));
      });
      const v = f.temp(convert("f64.reinterpret_i64", odd));
      const result = f.temp(add(th, v));
      const bits = f.temp(asBits(result));
      // A result that cancelled to next to nothing takes the integer path: its tail may leave the range.
      f.if(ltU(sub(core.exponentField(F64_FORMAT, bits), 1023 - 300), 900), () => {
        f.if(eqz(and(load("i32", s, L.FPSR), FPSR.IXC)), () => {
          const t = f.temp(sub(result, th));
          const error = add(sub(th, sub(result, t)), sub(v, t));
          f.if(or(ne(error, 0), ne(vl, 0)), () => core.raise(f, s, FPSR.IXC));
        });
        f.return(bits);
      });
    });
  }
}
