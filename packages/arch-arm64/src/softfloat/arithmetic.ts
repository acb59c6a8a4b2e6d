/**
 * Addition, multiplication, division, square root and fused multiply-add.
 *
 * Operations of single and double precision first try WebAssembly's own arithmetic (`fast.ts`). Everything else takes the
 * integer path.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: FPAdd, FPMul, FPMulX, FPDiv, FPSqrt, FPMulAdd, FPRecipStepFused, FPRSqrtStepFused.
 */
import {
  add,
  and,
  call,
  clz,
  convert,
  div,
  type Expr,
  emitExpr,
  eq,
  eqz,
  type F64,
  type FunctionBuilder,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  type Local,
  ltS,
  ltU,
  mul,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  sqrt,
  sub,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import type { FpCore } from "./core.ts";
import { asDouble, asFloat, type Float, FpFast, fadd, fdiv, feq, fmul, fsub, temp } from "./fast.ts";
import { FPSR, type FpFormat } from "./format.ts";

export const ARITHMETIC = ["add", "sub", "mul", "mulx", "div"] as const;
export type Arithmetic = (typeof ARITHMETIC)[number];

export class FpArithmetic {
  readonly core: FpCore;
  readonly #fast: FpFast;
  constructor(core: FpCore) {
    this.core = core;
    this.#fast = new FpFast(core);
  }

  /** (s, a, b) -> result. Half precision has no fast path: WebAssembly has no such arithmetic. */
  binary(op: Arithmetic, format: FpFormat): FunctionRef {
    if (format.bits === 16) return this.#slow(op, format);
    return this.core.define(`${op}.${format.name}`, [I32, I64, I64], [I64], (f, p0, p1, p2) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      const b = p2 as Local<I64>;
      const x = temp(f, asFloat(format, a));
      const y = temp(f, asFloat(format, b));
      const r = temp(f, op === "add" ? fadd(x, y) : op === "sub" ? fsub(x, y) : op === "div" ? fdiv(x, y) : fmul(x, y));
      this.#fast.attempt(
        f,
        s,
        format,
        r,
        () => {
          if (op === "add" || op === "sub") {
            const z = op === "add" ? y : temp(f, fsub(asFloat(format, i64(format.sign)), y));
            const t = temp(f, fsub(r, x));
            return feq(fadd(fsub(x, fsub(r, t)), fsub(z, t)), asFloat(format, i64(0)));
          }
          // a product is exact when it fits; a quotient when quotient times divisor is exact and gives the dividend
          const [u, v, w] = op === "div" ? [r, y, x] : [x, y, r];
          if (format.bits === 32) return feq(fmul(asDouble(u), asDouble(v)) as Float, asDouble(w));
          return this.#fast.exactProduct(f, u as Expr<F64>, v as Expr<F64>, w as Expr<F64>);
        },
        op === "add" || op === "sub" || format.bits === 32 ? undefined : [a, b],
      );
      f.return(call(this.#slow(op, format), s, a, b));
    });
  }

  /** (s, a) -> square root. */
  sqrt(format: FpFormat): FunctionRef {
    if (format.bits === 16) return this.#slowSqrt(format);
    return this.core.define(`sqrt.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      const x = temp(f, asFloat(format, a));
      const r = temp(f, sqrt(x as Expr<F64>) as Float);
      this.#fast.attempt(
        f,
        s,
        format,
        r,
        () =>
          format.bits === 32
            ? feq(fmul(asDouble(r), asDouble(r)) as Float, asDouble(x))
            : this.#fast.exactProduct(f, r as Expr<F64>, r as Expr<F64>, x as Expr<F64>),
        format.bits === 32 ? undefined : [a],
      );
      f.return(call(this.#slowSqrt(format), s, a));
    });
  }

  /** (s, addend, a, b) -> addend + a * b, rounded once. */
  fma(format: FpFormat): FunctionRef {
    if (format.bits === 16) return this.#slowFma(format);
    return this.core.define(`fma.${format.name}`, [I32, I64, I64, I64], [I64], (f, p0, p1, p2, p3) => {
      const s = p0 as Local<I32>;
      const [c, a, b] = [p1, p2, p3] as [Local<I64>, Local<I64>, Local<I64>];
      if (format.bits === 32) this.#fast.fma32(f, s, c, a, b);
      else this.#fast.fma64(f, s, c, a, b);
      f.return(call(this.#slowFma(format), s, c, a, b));
    });
  }

  /** (s, a, b) -> 2 - a * b (FRECPS) or (3 - a * b) / 2 (FRSQRTS), rounded once. */
  step(kind: "recip" | "rsqrt", format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`step.${kind}.${format.name}`, [I32, I64, I64], [I64], (f, p0, p1, p2) => {
      const s = p0 as Local<I32>;
      const [a, b] = [p1, p2] as [Local<I64>, Local<I64>];
      const flush = core.flushInput(format);
      const one = BigInt(format.bias) << BigInt(format.fraction);
      const half = 1n << BigInt(format.fraction - 1);
      f.set(a, xor(call<I64>(flush, s, a), format.sign));
      f.set(b, call<I64>(flush, s, b));
      core.returnNans(f, s, format, [a, b]);
      const infinite = f.temp(or(core.isInfinite(format, a), core.isInfinite(format, b)));
      const zero = f.temp(or(core.isZero(format, a), core.isZero(format, b)));
      const sign = f.temp(core.signBit(format, xor(a, b)));
      f.if(infinite, () => {
        f.if(zero, () => f.return(i64(kind === "recip" ? one + (1n << BigInt(format.fraction)) : one + half)));
        f.return(core.signed(format, sign, format.infinity));
      });
      // 2 or 3, with the leading bit in its place
      const leading = kind === "recip" ? 1n << 62n : 3n << 61n;
      const scale = kind === "recip" ? 0 : -1;
      const value = kind === "recip" ? one + (1n << BigInt(format.fraction)) : one + half;
      f.if(zero, () => f.return(i64(value)));
      const [high, low, exponent] = this.#product(f, format, a, b);
      f.return(call(this.#sumAndRound(format), s, sign, exponent, high, low, i32(0), i32(1), i64(leading), i32(scale)));
    });
  }

  // --------------------------------------------------------------------------------------------- the integer paths

  /** The 128-bit product of two finite numbers other than zero, leading bit at bit 124 or 125; its exponent is for bit 124. */
  #product(f: FunctionBuilder, format: FpFormat, a: Expr<I64>, b: Expr<I64>): [Expr<I64>, Expr<I64>, Expr<I32>] {
    const x = this.core.unpack(f, format, a);
    const y = this.core.unpack(f, format, b);
    return [
      f.temp(call<I64>(this.core.mulHigh(), x.significand, y.significand)),
      f.temp(mul(x.significand, y.significand)),
      f.temp(add(x.exponent, y.exponent)),
    ];
  }

  #slow(op: Arithmetic, format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`slow.${op}.${format.name}`, [I32, I64, I64], [I64], (f, p0, p1, p2) => {
      const s = p0 as Local<I32>;
      const [a, b] = [p1, p2] as [Local<I64>, Local<I64>];
      const flush = core.flushInput(format);
      f.set(a, call<I64>(flush, s, a));
      f.set(b, call<I64>(flush, s, b));
      core.returnNans(f, s, format, [a, b]);
      const infA = f.temp(core.isInfinite(format, a));
      const infB = f.temp(core.isInfinite(format, b));
      const zeroA = f.temp(core.isZero(format, a));
      const zeroB = f.temp(core.isZero(format, b));
      if (op === "add" || op === "sub") {
        if (op === "sub") f.set(b, xor(b, format.sign));
        f.if(and(infA, infB), () => f.if(ne(a, b), () => core.returnInvalid(f, s, format)));
        f.if(infA, () => f.return(a));
        f.if(infB, () => f.return(b));
        f.if(and(zeroA, zeroB), () => {
          f.if(eq(a, b), () => f.return(a));
          f.return(call(this.#exactZero(format), s));
        });
        f.if(zeroA, () => f.return(b));
        f.if(zeroB, () => f.return(a));
        const x = core.unpack(f, format, a);
        const y = core.unpack(f, format, b);
        f.return(
          call(
            this.#sumAndRound(format),
            s,
            x.sign,
            x.exponent,
            shrU(x.significand, 2),
            shl(x.significand, 62),
            y.sign,
            y.exponent,
            y.significand,
            i32(0),
          ),
        );
        return;
      }
      const sign = f.temp(core.signBit(format, xor(a, b)));
      if (op === "div") {
        f.if(or(and(infA, infB), and(zeroA, zeroB)), () => core.returnInvalid(f, s, format));
        f.if(or(infA, zeroB), () => {
          f.if(eqz(infA), () => core.raise(f, s, FPSR.DZC));
          f.return(core.signed(format, sign, format.infinity));
        });
        f.if(or(zeroA, infB), () => f.return(core.signed(format, sign, 0n)));
        const x = core.unpack(f, format, a);
        const y = core.unpack(f, format, b);
        const exponent = f.local(I32);
        f.set(exponent, sub(x.exponent, y.exponent));
        // significands as integers of 53 bits, quotient in [1, 2)
        const m = f.local(I64);
        f.set(m, shrU(x.significand, 10));
        const n = f.temp(shrU(y.significand, 10));
        f.if(ltU(m, n), () => {
          f.set(m, shl(m, 1));
          f.set(exponent, sub(exponent, 1));
        });
        const quotient = f.temp(
          convert(
            "i64.trunc_sat_f64_s",
            mul(div(convert("f64.convert_i64_s", m), convert("f64.convert_i64_s", n)), 2 ** 52),
          ),
        );
        // remainder modulo 2^64 is the remainder: it is smaller than the divisor
        const remainder = f.temp(sub(shl(m, 52), mul(quotient, n)));
        f.return(
          call(core.round(format), s, sign, exponent, this.#nearSignificand(quotient, remainder), core.roundingMode(s)),
        );
        return;
      }
      f.if(or(and(infA, zeroB), and(zeroA, infB)), () => {
        if (op === "mul") core.returnInvalid(f, s, format);
        else f.return(core.signed(format, sign, BigInt(format.bias + 1) << BigInt(format.fraction)));
      });
      f.if(or(infA, infB), () => f.return(core.signed(format, sign, format.infinity)));
      f.if(or(zeroA, zeroB), () => f.return(core.signed(format, sign, 0n)));
      const [high, low, exponent] = this.#product(f, format, a, b);
      f.return(call(this.#normaliseAndRound(format), s, sign, exponent, high, low));
    });
  }

  /** A 53-bit number rounded to nearest and what is left, as a significand whose jammed bits lie on the right side. */
  #nearSignificand(nearest: Expr<I64>, remainder: Expr<I64>): Expr<I64> {
    // remainder > 0: a little above; < 0: a little below, which is above the middle of the interval under it
    const below = sub(shl(nearest, 10), 1);
    const above = or(shl(nearest, 10), 1);
    return select(eqz(remainder), shl(nearest, 10), select(ltS(remainder, 0), below, above));
  }

  #slowSqrt(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`slow.sqrt.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.set(a, call<I64>(core.flushInput(format), s, a));
      core.returnNans(f, s, format, [a]);
      f.if(core.isZero(format, a), () => f.return(a));
      f.if(core.signBit(format, a), () => core.returnInvalid(f, s, format));
      f.if(core.isInfinite(format, a), () => f.return(a));
      const x = core.unpack(f, format, a);
      const exponent = x.exponent as Local<I32>;
      // an even exponent; the root of [1, 4) is in [1, 2)
      const m = f.local(I64);
      f.set(m, shrU(x.significand, 10));
      f.if(and(exponent, 1), () => {
        f.set(m, shl(m, 1));
        f.set(exponent, sub(exponent, 1));
      });
      const root = f.temp(
        convert("i64.trunc_sat_f64_s", mul(sqrt(mul(convert("f64.convert_i64_s", m), 2 ** -52)), 2 ** 52)),
      );
      const remainder = f.temp(sub(shl(m, 52), mul(root, root)));
      f.return(
        call(
          core.round(format),
          s,
          i32(0),
          shrS(exponent, 1),
          this.#nearSignificand(root, remainder),
          core.roundingMode(s),
        ),
      );
    });
  }

  /** (s) -> the zero that x - x gives. */
  #exactZero(format: FpFormat): FunctionRef {
    return this.core.define(`exactZero.${format.name}`, [I32], [I64], (f, p0) => {
      const s = p0 as Local<I32>;
      f.return(this.core.signed(format, eq(this.core.roundingMode(s), 2), 0n));
    });
  }

  #slowFma(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`slow.fma.${format.name}`, [I32, I64, I64, I64], [I64], (f, p0, p1, p2, p3) => {
      const s = p0 as Local<I32>;
      const [c, a, b] = [p1, p2, p3] as [Local<I64>, Local<I64>, Local<I64>];
      const flush = core.flushInput(format);
      for (const v of [c, a, b]) f.set(v, call<I64>(flush, s, v));
      const infA = f.temp(core.isInfinite(format, a));
      const infB = f.temp(core.isInfinite(format, b));
      const zeroA = f.temp(core.isZero(format, a));
      const zeroB = f.temp(core.isZero(format, b));
      const invalidProduct = f.temp(or(and(infA, zeroB), and(zeroA, infB)));
      f.if(and(invalidProduct, and(core.isNan(format, c), ne(and(c, format.quiet), 0))), () =>
        core.returnInvalid(f, s, format),
      );
      core.returnNans(f, s, format, [c, a, b]);
      const sign = f.temp(core.signBit(format, xor(a, b)));
      const signC = f.temp(core.signBit(format, c));
      const infC = f.temp(core.isInfinite(format, c));
      const infP = f.temp(or(infA, infB));
      f.if(or(invalidProduct, and(and(infC, infP), ne(sign, signC))), () => core.returnInvalid(f, s, format));
      f.if(infC, () => f.return(c));
      f.if(infP, () => f.return(core.signed(format, sign, format.infinity)));
      f.if(or(zeroA, zeroB), () => {
        f.if(and(core.isZero(format, c), ne(sign, signC)), () => f.return(call(this.#exactZero(format), s)));
        f.return(c);
      });
      const [high, low, exponent] = this.#product(f, format, a, b);
      f.if(core.isZero(format, c), () => f.return(call(this.#normaliseAndRound(format), s, sign, exponent, high, low)));
      const z = core.unpack(f, format, c);
      f.return(
        call(this.#sumAndRound(format), s, sign, exponent, high, low, z.sign, z.exponent, z.significand, i32(0)),
      );
    });
  }

  /** (s, sign, exponent of bit 124, high, low) -> bits. The 128-bit number is not zero and below 2^127. */
  #normaliseAndRound(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`normalise.${format.name}`, [I32, I32, I32, I64, I64], [I64], (f, ...p) => {
      const [s, sign, exponent, high, low] = p as unknown as [
        Local<I32>,
        Local<I32>,
        Local<I32>,
        Local<I64>,
        Local<I64>,
      ];
      f.if(eqz(high), () => {
        f.set(high, shrU(low, 2));
        f.set(low, shl(low, 62));
        f.set(exponent, sub(exponent, 62));
      });
      const shift = f.temp(sub(toI32(clz(high)), 1));
      f.if(shift, () => {
        f.set(high, or(shl(high, toI64U(shift)), shrU(low, toI64U(sub(i32(64), shift)))));
        f.set(low, shl(low, toI64U(shift)));
      });
      f.return(
        call(
          core.round(format),
          s,
          sign,
          add(sub(exponent, shift), 2),
          or(high, toI64U(ne(low, 0))),
          core.roundingMode(s),
        ),
      );
    });
  }

  /**
   * (s, sign, exponent, high, low, sign2, exponent2, significand2, scale) -> (product + addend) * 2^scale, rounded.
   * The product as in `#product`, the addend as in `unpack`; neither is zero.
   */
  #sumAndRound(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`sum.${format.name}`, [I32, I32, I32, I64, I64, I32, I32, I64, I32], [I64], (f, ...p) => {
      const [s, sign, exponent, high, low, sign2, exponent2, significand2, scale] = p as unknown as [
        Local<I32>,
        Local<I32>,
        Local<I32>,
        Local<I64>,
        Local<I64>,
        Local<I32>,
        Local<I32>,
        Local<I64>,
        Local<I32>,
      ];
      const high2 = f.local(I64);
      const low2 = f.local(I64);
      const distance = f.local(I32);
      f.set(high2, shrU(significand2, 2));
      f.set(low2, shl(significand2, 62));
      f.set(distance, sub(exponent, exponent2));
      const jam = core.define("jam128", [I64, I64, I32], [I64, I64], (g, q0, q1, q2) => {
        const [h, l, n] = [q0, q1, q2] as unknown as [Local<I64>, Local<I64>, Local<I32>];
        const results = (a: Expr<I64>, b: Expr<I64>) => {
          g.set(l, b);
          g.set(h, a);
        };
        const count = toI64U(n);
        const rest = sub(i64(64), count);
        g.if(
          eqz(n),
          () => {},
          () => {
            g.if(
              ltS(n, 64),
              () => results(shrU(h, count), or(or(shl(h, rest), shrU(l, count)), toI64U(ne(shl(l, rest), 0)))),
              () => {
                g.if(
                  eq(n, 64),
                  () => results(i64(0), or(h, toI64U(ne(l, 0)))),
                  () => {
                    g.if(
                      ltS(n, 128),
                      () => results(i64(0), or(shrU(h, count), toI64U(ne(or(shl(h, rest), l), 0)))),
                      () => results(i64(0), toI64U(ne(or(h, l), 0))),
                    );
                  },
                );
              },
            );
          },
        );
        returnPair(g, h, l);
      });
      f.if(gtS(distance, 0), () => f.call(jam, [high2, low2, distance], [high2, low2]));
      f.if(ltS(distance, 0), () => {
        f.call(jam, [high, low, sub(i32(0), distance)], [high, low]);
        f.set(exponent, exponent2);
      });
      const t = f.local(I64);
      f.if(
        eq(sign, sign2),
        () => {
          f.set(t, add(low, low2));
          f.set(high, add(add(high, high2), toI64U(ltU(t, low))));
          f.set(low, t);
        },
        () => {
          f.if(or(ltU(high, high2), and(eq(high, high2), ltU(low, low2))), () => {
            f.set(t, high);
            f.set(high, high2);
            f.set(high2, t);
            f.set(t, low);
            f.set(low, low2);
            f.set(low2, t);
            f.set(sign, sign2);
          });
          f.set(t, sub(low, low2));
          f.set(high, sub(sub(high, high2), toI64U(ltU(low, low2))));
          f.set(low, t);
          f.if(eqz(or(high, low)), () => f.return(call(this.#exactZero(format), s)));
        },
      );
      f.return(call(this.#normaliseAndRound(format), s, sign, add(exponent, scale), high, low));
    });
  }
}

/** Return two values. */
function returnPair(f: FunctionBuilder, a: Expr, b: Expr): void {
  emitExpr(a, f.code);
  emitExpr(b, f.code);
  f.return();
}
