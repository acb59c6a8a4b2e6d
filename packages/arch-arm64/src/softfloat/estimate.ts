/**
 * Reciprocal and reciprocal square root estimates, and FRECPX.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: FPRecipEstimate, FPRSqrtEstimate, FPRecpX, RecipEstimate, RecipSqrtEstimate,
 * UnsignedRecipEstimate, UnsignedRSqrtEstimate.
 */
import {
  add,
  and,
  call,
  ceil,
  clz,
  convert,
  div,
  divU,
  type Expr,
  eqz,
  type FunctionRef,
  f64,
  geU,
  I32,
  I64,
  i32,
  i64,
  type Local,
  ltS,
  ltU,
  ne,
  not,
  or,
  select,
  shl,
  shrU,
  sqrt,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import type { FpCore } from "./core.ts";
import { FPSR, type FpFormat } from "./format.ts";

/** 256..511 for a 9-bit number of that range. RecipEstimate. */
function recipEstimate(a: Expr<I32>): Expr<I32> {
  return shrU(add(divU(i32(1 << 19), add(shl(a, 1), 1)), 1), 1);
}

export class FpEstimate {
  readonly core: FpCore;
  constructor(core: FpCore) {
    this.core = core;
  }

  /** (a in 128..511) -> 256..511. RecipSqrtEstimate: its search for the largest b with a * (b + 1)^2 < 2^28 is a square root. */
  #rsqrtEstimate(): FunctionRef {
    return this.core.define("rsqrtEstimate", [I32], [I32], (f, p0) => {
      const a = p0 as Local<I32>;
      const scaled = f.temp(select(ltU(a, 256), add(shl(a, 1), 1), shl(or(a, 1), 1)));
      const root = ceil(sqrt(div(f64(2 ** 28), convert("f64.convert_i32_u", scaled))));
      f.return(shrU(convert("i32.trunc_sat_f64_u", root), 1));
    });
  }

  /** (s, a) -> FRECPE. */
  recip(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`recipEstimate.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.set(a, call<I64>(core.flushInput(format), s, a));
      core.returnNans(f, s, format, [a]);
      const sign = f.temp(core.signBit(format, a));
      const magnitude = f.temp(core.magnitude(format, a));
      f.if(core.isInfinite(format, a), () => f.return(core.signed(format, sign, 0n)));
      f.if(eqz(magnitude), () => {
        core.raise(f, s, FPSR.DZC);
        f.return(core.signed(format, sign, format.infinity));
      });
      // below 2^-16, 2^-128 or 2^-1024 the result overflows
      f.if(ltU(magnitude, 1n << BigInt(format.fraction - 2)), () => {
        core.raise(f, s, FPSR.OFC | FPSR.IXC);
        f.return(
          core.signed(
            format,
            sign,
            add(i64(format.infinity - 1n), toI64U(core.overflowsToInfinity(core.roundingMode(s), sign))),
          ),
        );
      });
      const exponent = f.local(I32);
      const fraction = f.local(I64);
      f.set(exponent, core.exponentField(format, a));
      f.set(fraction, and(a, format.fractionMask));
      const flushes = geU(exponent, 2 * format.bias - 1);
      f.if(and(flushes, ne(and(core.fpcr(s), format.flush), 0)), () => {
        core.raise(f, s, FPSR.UFC);
        f.return(core.signed(format, sign, 0n));
      });
      f.if(eqz(exponent), () => {
        // subnormal: its leading bit is in one of the two top bits of the fraction
        const top = f.temp(eqz(and(fraction, format.quiet)));
        f.set(exponent, sub(i32(0), top));
        f.set(fraction, shl(fraction, toI64U(add(top, 1))));
      });
      const scaled = or(toI32(and(shrU(fraction, format.fraction - 8), 0xff)), 0x100);
      const estimate = f.temp(toI64U(recipEstimate(scaled)));
      const resultExponent = f.temp(sub(i32(2 * format.bias - 1), exponent));
      const full = f.temp(shl(and(estimate, 0xff), format.fraction - 8));
      f.if(eqz(resultExponent), () => f.return(core.signed(format, sign, shrU(or(full, format.fractionMask + 1n), 1))));
      f.if(ltS(resultExponent, 0), () =>
        f.return(core.signed(format, sign, shrU(or(full, format.fractionMask + 1n), 2))),
      );
      f.return(core.signed(format, sign, or(full, shl(toI64U(resultExponent), format.fraction))));
    });
  }

  /** (s, a) -> FRSQRTE. */
  rsqrt(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`rsqrtEstimate.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.set(a, call<I64>(core.flushInput(format), s, a));
      core.returnNans(f, s, format, [a]);
      const sign = f.temp(core.signBit(format, a));
      f.if(core.isZero(format, a), () => {
        core.raise(f, s, FPSR.DZC);
        f.return(core.signed(format, sign, format.infinity));
      });
      f.if(sign, () => core.returnInvalid(f, s, format));
      f.if(core.isInfinite(format, a), () => f.return(0));
      const exponent = f.local(I32);
      const fraction = f.local(I64);
      f.set(exponent, core.exponentField(format, a));
      f.set(fraction, and(a, format.fractionMask));
      f.if(eqz(exponent), () => {
        const shift = f.temp(sub(toI32(clz(fraction)), 63 - format.fraction));
        f.set(exponent, sub(i32(1), shift));
        f.set(fraction, and(shl(fraction, toI64U(shift)), format.fractionMask));
      });
      const top = f.temp(or(toI32(shrU(fraction, format.fraction - 8)), 0x100));
      const estimate = call<I32>(this.#rsqrtEstimate(), select(and(exponent, 1), shrU(top, 1), top));
      const resultExponent = shrU(sub(i32(3 * format.bias - 1), exponent), 1);
      f.return(or(shl(toI64U(resultExponent), format.fraction), shl(toI64U(and(estimate, 0xff)), format.fraction - 8)));
    });
  }

  /** (s, a) -> FRECPX. */
  recpx(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`recpx.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.set(a, call<I64>(core.flushInput(format), s, a));
      core.returnNans(f, s, format, [a]);
      const field = f.temp(core.exponentField(format, a));
      const inverse = select(eqz(field), i32(format.maxExponent - 1), and(not(field), format.maxExponent));
      f.return(core.signed(format, core.signBit(format, a), shl(toI64U(inverse), format.fraction)));
    });
  }

  /** (a) -> URECPE of 32 bits. */
  unsignedRecip(): FunctionRef {
    return this.core.define("urecpe", [I32], [I32], (f, p0) => {
      const a = p0 as Local<I32>;
      f.if(eqz(shrU(a, 31)), () => f.return(-1));
      f.return(shl(recipEstimate(shrU(a, 23)), 23));
    });
  }

  /** (a) -> URSQRTE of 32 bits. */
  unsignedRsqrt(): FunctionRef {
    return this.core.define("ursqrte", [I32], [I32], (f, p0) => {
      const a = p0 as Local<I32>;
      f.if(eqz(shrU(a, 30)), () => f.return(-1));
      f.return(shl(call<I32>(this.#rsqrtEstimate(), shrU(a, 23)), 23));
    });
  }
}
