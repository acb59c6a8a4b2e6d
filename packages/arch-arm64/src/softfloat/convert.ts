/**
 * Conversions between formats, to and from integers and fixed point, and rounding to an integral value.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: FPConvert, FPToFixed, FixedToFP, FPRoundInt.
 */
import {
  add,
  and,
  call,
  clz,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  geS,
  gtS,
  gtU,
  I32,
  I64,
  i32,
  i64,
  type Local,
  ltS,
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
import { F16_FORMAT, F32_FORMAT, F64_FORMAT, FPCR, FPSR, type FpFormat, FpRounding } from "./format.ts";

export class FpConvert {
  readonly core: FpCore;
  constructor(core: FpCore) {
    this.core = core;
  }

  /** (s, a) -> a in another format. `odd`: round to odd whatever FPCR says (FCVTXN). */
  format(from: FpFormat, to: FpFormat, odd = false): FunctionRef {
    const { core } = this;
    return core.define(`convert.${from.name}.${to.name}${odd ? ".odd" : ""}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      const alternative = f.temp(and(core.fpcr(s), FPCR.AHP));
      if (from.name !== "f16") f.set(a, call<I64>(core.flushInput(from), s, a));
      const sign = f.temp(core.signBit(from, a));
      const special = f.temp(gtU(core.magnitude(from, a), from.infinity - 1n));
      f.if(from.name === "f16" ? and(special, eqz(alternative)) : special, () => {
        f.if(core.isInfinite(from, a), () => {
          if (to.name === "f16") {
            f.if(alternative, () => {
              core.raise(f, s, FPSR.IOC);
              f.return(core.signed(to, sign, to.sign - 1n));
            });
          }
          f.return(core.signed(to, sign, to.infinity));
        });
        const signalling = f.temp(eqz(and(a, from.quiet)));
        if (to.name === "f16") {
          f.if(alternative, () => {
            core.raise(f, s, FPSR.IOC);
            f.return(core.signed(to, sign, 0n));
          });
        }
        f.if(signalling, () => core.raise(f, s, FPSR.IOC));
        f.if(and(core.fpcr(s), FPCR.DN), () => f.return(i64(to.defaultNan)));
        const payload = and(a, from.quiet - 1n);
        const shift = to.fraction - from.fraction;
        const moved = shift > 0 ? shl(payload, shift) : shrU(payload, -shift);
        f.return(core.signed(to, sign, or(moved, to.infinity | to.quiet)));
      });
      f.if(core.isZero(from, a), () => f.return(core.signed(to, sign, 0n)));
      const x = core.unpack(f, from, a);
      const rounding = odd ? i32(FpRounding.ODD) : core.roundingMode(s);
      if (to.name === "f16")
        f.if(alternative, () =>
          f.return(call(core.round(to, "alternative"), s, sign, x.exponent, x.significand, rounding)),
        );
      f.return(call(core.round(to, "conversion"), s, sign, x.exponent, x.significand, rounding));
    });
  }

  /** (s, half) -> the same number of single precision, NaNs signalling as before; no flags. FZ16 flushes. */
  widenHalf(): FunctionRef {
    const { core } = this;
    const [from, to] = [F16_FORMAT, F32_FORMAT];
    return core.define("widenHalf", [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.set(a, call<I64>(core.flushInput(from), s, a));
      const sign = f.temp(core.signBit(from, a));
      const magnitude = f.temp(core.magnitude(from, a));
      f.if(eqz(magnitude), () => f.return(core.signed(to, sign, 0n)));
      f.if(gtU(magnitude, from.infinity - 1n), () =>
        f.return(core.signed(to, sign, or(shl(and(a, from.fractionMask), 13), to.infinity))),
      );
      const x = core.unpack(f, from, a);
      const field = shl(toI64U(add(x.exponent, to.bias)), to.fraction);
      f.return(core.signed(to, sign, or(field, and(shrU(x.significand, 62 - to.fraction), to.fractionMask))));
    });
  }

  /**
   * A finite number other than zero as an integer: bits shifted to weight 1, and what falls off in `rest` (its top bit
   * is a half). `exponent` is of the leading bit at bit 62 and at most 63.
   */
  #toWeight(f: FunctionBuilder, exponent: Expr<I32>, significand: Expr<I64>): { whole: Local<I64>; rest: Local<I64> } {
    const whole = f.local(I64);
    const rest = f.local(I64);
    f.if(
      geS(exponent, 62),
      () => {
        f.set(whole, shl(significand, toI64U(sub(exponent, 62))));
        f.set(rest, i64(0));
      },
      () => {
        f.if(
          ltS(exponent, -1),
          () => {
            f.set(whole, i64(0));
            f.set(rest, i64(1)); // less than a half
          },
          () => {
            const right = f.temp(toI64U(sub(i32(62), exponent)));
            f.if(
              eq(exponent, -1),
              () => {
                f.set(whole, i64(0));
                f.set(rest, shl(significand, 1));
              },
              () => {
                f.set(whole, shrU(significand, right));
                f.set(rest, shl(significand, sub(i64(64), right)));
              },
            );
          },
        );
      },
    );
    return { whole, rest };
  }

  /** 1 when `whole` must go up by one. */
  #roundUp(rounding: Expr<I32>, sign: Expr<I32>, whole: Expr<I64>, rest: Expr<I64>): Expr<I32> {
    const half = 1n << 63n;
    const nearest = or(
      gtU(rest, half),
      and(eq(rest, half), or(toI32(and(whole, 1)), eq(rounding, FpRounding.TIEAWAY))),
    );
    const directed = and(
      ne(rest, 0),
      or(and(eq(rounding, FpRounding.POSINF), eqz(sign)), and(eq(rounding, FpRounding.NEGINF), sign)),
    );
    return or(and(nearest, or(eq(rounding, FpRounding.TIEEVEN), eq(rounding, FpRounding.TIEAWAY))), directed);
  }

  /** (s, a, fraction bits, rounding) -> fixed point of `width` bits, zero-extended, saturated. FPToFixed. */
  toFixed(from: FpFormat, width: 16 | 32 | 64, unsigned: boolean): FunctionRef {
    const { core } = this;
    return core.define(
      `toFixed.${from.name}.${unsigned ? "u" : "s"}${width}`,
      [I32, I64, I32, I32],
      [I64],
      (f, ...p) => {
        const [s, a, fractionBits, rounding] = p as unknown as [Local<I32>, Local<I64>, Local<I32>, Local<I32>];
        const w = BigInt(width);
        const mask = (1n << w) - 1n;
        const largest = unsigned ? mask : mask >> 1n;
        const smallest = unsigned ? 0n : 1n << (w - 1n);
        f.set(a, call<I64>(core.flushInput(from), s, a));
        f.if(core.isNan(from, a), () => {
          core.raise(f, s, FPSR.IOC);
          f.return(0);
        });
        f.if(core.isZero(from, a), () => f.return(0));
        const sign = f.temp(core.signBit(from, a));
        const saturate = () => {
          core.raise(f, s, FPSR.IOC);
          f.return(select(sign, i64(smallest), i64(largest)));
        };
        f.if(core.isInfinite(from, a), saturate);
        const x = core.unpack(f, from, a);
        const exponent = f.temp(add(x.exponent, fractionBits));
        f.if(gtS(exponent, 63), saturate);
        const { whole, rest } = this.#toWeight(f, exponent, x.significand);
        f.set(whole, add(whole, toI64U(this.#roundUp(rounding, sign, whole, rest))));
        // `whole` cannot have wrapped: with bit 63 set nothing is left to round
        const limit = unsigned ? select(sign, i64(0), i64(largest)) : add(i64(largest), toI64U(sign));
        f.if(gtU(whole, limit), saturate);
        f.if(ne(rest, 0), () => core.raise(f, s, FPSR.IXC));
        f.return(and(select(sign, sub(i64(0), whole), whole), mask));
      },
    );
  }

  /** (s, integer of 64 bits (sign- or zero-extended), fraction bits, rounding) -> number. FixedToFP. */
  fromFixed(to: FpFormat, unsigned: boolean): FunctionRef {
    const { core } = this;
    return core.define(`fromFixed.${to.name}.${unsigned ? "u" : "s"}`, [I32, I64, I32, I32], [I64], (f, ...p) => {
      const [s, a, fractionBits, rounding] = p as unknown as [Local<I32>, Local<I64>, Local<I32>, Local<I32>];
      f.if(eqz(a), () => f.return(0));
      const sign = f.temp(unsigned ? i32(0) : toI32(shrU(a, 63)));
      const magnitude = f.temp(unsigned ? a : select(sign, sub(i64(0), a), a));
      const zeros = f.temp(toI32(clz(magnitude)));
      // leading bit to 62: a number of 64 bits loses its lowest one to the sticky bit
      const significand = select(
        zeros,
        shl(magnitude, toI64U(sub(zeros, 1))),
        or(shrU(magnitude, 1), and(magnitude, 1)),
      );
      f.return(call(core.round(to), s, sign, sub(sub(i32(63), zeros), fractionBits), significand, rounding));
    });
  }

  /** (s, a, rounding, exact) -> a rounded to an integral value; with `exact`, IXC when that changed it. FPRoundInt. */
  roundInt(format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`roundInt.${format.name}`, [I32, I64, I32, I32], [I64], (f, ...p) => {
      const [s, a, rounding, exact] = p as unknown as [Local<I32>, Local<I64>, Local<I32>, Local<I32>];
      f.set(a, call<I64>(core.flushInput(format), s, a));
      core.returnNans(f, s, format, [a]);
      f.if(or(core.isInfinite(format, a), core.isZero(format, a)), () => f.return(a));
      const x = core.unpack(f, format, a);
      f.if(geS(x.exponent, format.fraction), () => f.return(a));
      const { whole, rest } = this.#toWeight(f, x.exponent, x.significand);
      f.set(whole, add(whole, toI64U(this.#roundUp(rounding, x.sign, whole, rest))));
      f.if(and(ne(rest, 0), exact), () => core.raise(f, s, FPSR.IXC));
      f.if(eqz(whole), () => f.return(core.signed(format, x.sign, 0n)));
      const zeros = f.temp(toI32(clz(whole)));
      // at most fraction + 1 bits: nothing is lost
      const field = toI64U(sub(i32(63 + format.bias - 1), zeros));
      const significand = shl(whole, toI64U(sub(zeros, 63 - format.fraction)));
      f.return(core.signed(format, x.sign, add(shl(field, format.fraction), significand)));
    });
  }

  /**
   * (s, a, rounding) -> a rounded to an integral value that a signed integer of `width` bits holds, IXC when that changed it.
   * What does not fit, infinities and NaNs become -2^(width - 1) with IOC. FPRoundIntN.
   */
  roundIntN(format: FpFormat, width: 32 | 64): FunctionRef {
    const { core } = this;
    return core.define(`roundInt${width}.${format.name}`, [I32, I64, I32], [I64], (f, ...p) => {
      const [s, a, rounding] = p as unknown as [Local<I32>, Local<I64>, Local<I32>];
      const limit = BigInt(format.bias + width - 1) << BigInt(format.fraction);
      f.set(a, call<I64>(core.flushInput(format), s, a));
      const result = f.temp(call<I64>(this.roundInt(format), s, a, rounding, i32(0)));
      const magnitude = f.temp(core.magnitude(format, result));
      f.if(gtU(magnitude, select(core.signBit(format, result), i64(limit), i64(limit - 1n))), () => {
        core.raise(f, s, FPSR.IOC);
        f.return(i64(format.sign | limit));
      });
      f.if(ne(result, a), () => core.raise(f, s, FPSR.IXC));
      f.return(result);
    });
  }

  /**
   * (s, double) -> its integral part modulo 2^32 in bits 31:0, and in bit 32 whether that is the number itself, and not -0.
   * FPToFixedJS.
   */
  toInt32Js(): FunctionRef {
    const { core } = this;
    const format = F64_FORMAT;
    return core.define("toInt32Js", [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      const exact = 1n << 32n;
      f.set(a, call<I64>(core.flushInput(format), s, a));
      f.if(core.isZero(format, a), () => f.return(select(core.signBit(format, a), i64(0), exact)));
      f.if(gtU(core.magnitude(format, a), format.infinity - 1n), () => {
        core.raise(f, s, FPSR.IOC);
        f.return(0);
      });
      const x = core.unpack(f, format, a);
      f.if(ltS(x.exponent, 0), () => {
        core.raise(f, s, FPSR.IXC);
        f.return(0);
      });
      f.if(gtS(x.exponent, 62 + 32), () => {
        core.raise(f, s, FPSR.IOC);
        f.return(0);
      });
      const whole = f.local(I64);
      const rest = f.local(I64);
      f.if(
        gtS(x.exponent, 62),
        () => f.set(whole, shl(x.significand, toI64U(sub(x.exponent, 62)))),
        () => {
          const count = f.temp(toI64U(sub(i32(62), x.exponent)));
          f.set(whole, shrU(x.significand, count));
          f.set(rest, xor(x.significand, shl(whole, count)));
        },
      );
      // beyond 2^32 too: the exponent says so, since `whole` may have lost its upper bits
      const overflows = or(
        gtS(x.exponent, 31),
        and(eq(x.exponent, 31), gtU(whole, select(x.sign, i64(1n << 31n), (1n << 31n) - 1n))),
      );
      f.set(whole, and(select(x.sign, sub(i64(0), whole), whole), 0xffff_ffff));
      f.if(overflows, () => {
        core.raise(f, s, FPSR.IOC);
        f.return(whole);
      });
      f.if(ne(rest, 0), () => {
        core.raise(f, s, FPSR.IXC);
        f.return(whole);
      });
      f.return(or(whole, exact));
    });
  }
}
