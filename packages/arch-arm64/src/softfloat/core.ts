/**
 * The part that all operations share: flags, NaNs, unpacking, rounding.
 *
 * An unpacked finite number is sign (i32), exponent (i32, of the leading bit) and significand (i64, leading bit at
 * bit 62): value = significand * 2^(exponent - 62). Bits that do not fit are jammed into bit 0.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: FPUnpack, FPRoundBase, FPProcessNaN, FPProcessNaNs.
 */
import { L } from "../state/layout.ts";
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
  gtU,
  I32,
  I64,
  i32,
  i64,
  type Local,
  load,
  ltS,
  type ModuleBuilder,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
  type ValueType,
} from "../wasm/index.ts";
import { FPCR, FPSR, type FpFormat } from "./format.ts";

type Body = (f: FunctionBuilder, ...params: Local[]) => void;

/** Makes each function of the module on first use. One per module. */
export class FpCore {
  readonly module: ModuleBuilder;
  readonly #functions = new Map<string, FunctionRef>();

  constructor(module: ModuleBuilder) {
    this.module = module;
  }

  /** The function of that name, defined by `body` the first time that it is asked for. */
  define(name: string, params: readonly ValueType[], results: readonly ValueType[], body: Body): FunctionRef {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const ref = this.module.declare(`fp.${name}`, params, results);
    this.#functions.set(name, ref);
    this.module.define(ref, body);
    return ref;
  }

  fpcr(s: Expr<I32>): Expr<I32> {
    return load("i32", s, L.FPCR);
  }

  /** Set cumulative bits of FPSR. */
  raise(f: FunctionBuilder, s: Expr<I32>, flags: Expr<I32> | number): void {
    f.store("i32", s, or(load("i32", s, L.FPSR), typeof flags === "number" ? i32(flags) : flags), L.FPSR);
  }

  exponentField(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return and(toI32(shrU(a, format.fraction)), format.maxExponent);
  }
  magnitude(format: FpFormat, a: Expr<I64>): Expr<I64> {
    return and(a, format.sign - 1n);
  }
  signBit(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return toI32(shrU(a, format.bits - 1));
  }
  isNan(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return gtU(this.magnitude(format, a), format.infinity);
  }
  isSignallingNan(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return and(this.isNan(format, a), eqz(and(a, format.quiet)));
  }
  isInfinite(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return eq(this.magnitude(format, a), format.infinity);
  }
  isZero(format: FpFormat, a: Expr<I64>): Expr<I32> {
    return eqz(this.magnitude(format, a));
  }
  /** The sign bit in its place. */
  signed(format: FpFormat, sign: Expr<I32>, magnitude: Expr<I64> | bigint): Expr<I64> {
    const bits = typeof magnitude === "bigint" ? i64(magnitude) : magnitude;
    return or(shl(toI64U(sign), format.bits - 1), bits);
  }

  /**
   * (s, a) -> a, or its zero when a is subnormal and FPCR flushes the format's denormals. IDC is raised, but for half
   * precision. FPUnpack.
   */
  flushInput(format: FpFormat): FunctionRef {
    return this.define(`flushInput.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.if(and(this.fpcr(s), format.flush), () => {
        f.if(and(eqz(this.exponentField(format, a)), ne(and(a, format.fractionMask), 0)), () => {
          if (format.name !== "f16") this.raise(f, s, FPSR.IDC);
          f.return(and(a, format.sign));
        });
      });
      f.return(a);
    });
  }

  /** (s, nan) -> the quiet NaN that results, IOC raised for a signalling one. FPProcessNaN. */
  processNan(format: FpFormat): FunctionRef {
    return this.define(`processNan.${format.name}`, [I32, I64], [I64], (f, p0, p1) => {
      const s = p0 as Local<I32>;
      const a = p1 as Local<I64>;
      f.if(eqz(and(a, format.quiet)), () => this.raise(f, s, FPSR.IOC));
      f.if(and(this.fpcr(s), FPCR.DN), () => f.return(i64(format.defaultNan)));
      f.return(or(a, format.quiet));
    });
  }

  /** In a function that returns a value of `format`: return the NaN that the operands, in order of precedence, give. */
  returnNans(f: FunctionBuilder, s: Expr<I32>, format: FpFormat, operands: readonly Expr<I64>[]): void {
    const any = operands.map((a) => this.isNan(format, a)).reduce((x, y) => or(x, y));
    const process = this.processNan(format);
    f.if(any, () => {
      for (const a of operands) f.if(this.isSignallingNan(format, a), () => f.return(call(process, s, a)));
      for (const a of operands) f.if(this.isNan(format, a), () => f.return(call(process, s, a)));
    });
  }

  /** Return the default NaN with IOC raised. */
  returnInvalid(f: FunctionBuilder, s: Expr<I32>, format: FpFormat): void {
    this.raise(f, s, FPSR.IOC);
    f.return(i64(format.defaultNan));
  }

  /** Unpack a finite number other than zero. */
  unpack(
    f: FunctionBuilder,
    format: FpFormat,
    a: Expr<I64>,
  ): { sign: Expr<I32>; exponent: Expr<I32>; significand: Expr<I64> } {
    const exponent = f.local(I32);
    const significand = f.local(I64);
    const shift = f.local(I32);
    f.set(exponent, this.exponentField(format, a));
    f.set(significand, and(a, format.fractionMask));
    f.if(
      exponent,
      () => {
        f.set(significand, shl(or(significand, format.fractionMask + 1n), 62 - format.fraction));
        f.set(exponent, sub(exponent, format.bias));
      },
      () => {
        f.set(shift, sub(toI32(clz(significand)), 1));
        f.set(significand, shl(significand, toI64U(shift)));
        f.set(exponent, sub(i32(1 - format.bias + 62 - format.fraction), shift));
      },
    );
    return { sign: f.temp(this.signBit(format, a)), exponent, significand };
  }

  /** a >> n with the bits that fall out jammed into bit 0. n from 1 up. */
  shiftRightJam(a: Expr<I64>, n: Expr<I32>): Expr<I64> {
    const count = toI64U(n);
    const jammed = or(shrU(a, count), toI64U(ne(shl(a, sub(i64(64), count)), 0)));
    return select(ltS(n, 64), jammed, toI64U(ne(a, 0)));
  }

  /**
   * (s, sign, exponent, significand, rounding) -> bits. FPRoundBase for a number other than zero, flags included.
   * `of` is "conversion" for FPRoundCV, which does not look at FZ16, and "alternative" for that to the alternative
   * half-precision format of FPCR.AHP.
   */
  round(format: FpFormat, of: "arithmetic" | "conversion" | "alternative" = "arithmetic"): FunctionRef {
    const alternative = of === "alternative";
    const kind = format.name === "f16" ? of : "arithmetic";
    return this.define(
      `round.${format.name}${kind === "arithmetic" ? "" : `.${kind}`}`,
      [I32, I32, I32, I64, I32],
      [I64],
      (f, ...p) => {
        const [s, sign, exponent, significand, rounding] = p as unknown as [
          Local<I32>,
          Local<I32>,
          Local<I32>,
          Local<I64>,
          Local<I32>,
        ];
        const minimum = 1 - format.bias;
        const shift = 62 - format.fraction;
        const field = f.local(I64);
        const result = f.local(I64);
        const error = f.local(I64);
        const tiny = f.local(I32);
        const up = f.local(I32);
        const half = 1n << BigInt(shift - 1);
        f.if(
          ltS(exponent, minimum),
          () => {
            if (kind === "arithmetic") {
              f.if(and(this.fpcr(s), format.flush), () => {
                this.raise(f, s, FPSR.UFC);
                f.return(this.signed(format, sign, 0n));
              });
            }
            f.set(tiny, i32(1));
            f.set(significand, this.shiftRightJam(significand, sub(i32(minimum), exponent)));
          },
          () => f.set(field, shl(toI64U(sub(exponent, minimum)), format.fraction)),
        );
        f.set(error, and(significand, (1n << BigInt(shift)) - 1n));
        f.set(result, shrU(significand, shift));
        f.if(ne(error, 0), () => {
          f.if(tiny, () => this.raise(f, s, FPSR.UFC));
          f.switch(rounding, [
            () => f.set(up, or(gtU(error, half), and(eq(error, half), toI32(and(result, 1))))),
            () => f.set(up, eqz(sign)),
            () => f.set(up, sign),
            () => f.set(up, i32(0)),
            () => f.set(up, gtU(error, half - 1n)),
            () => f.set(result, or(result, 1)),
          ]);
          f.set(result, add(result, toI64U(up)));
        });
        f.set(result, add(result, field));
        const limit = alternative ? format.infinity + (format.fractionMask + 1n) : format.infinity;
        f.if(gtU(result, limit - 1n), () => {
          if (alternative) {
            this.raise(f, s, FPSR.IOC);
            f.return(this.signed(format, sign, format.sign - 1n));
            return;
          }
          this.raise(f, s, FPSR.OFC | FPSR.IXC);
          f.return(
            this.signed(format, sign, add(i64(format.infinity - 1n), toI64U(this.overflowsToInfinity(rounding, sign)))),
          );
        });
        f.if(ne(error, 0), () => this.raise(f, s, FPSR.IXC));
        f.return(this.signed(format, sign, result));
      },
    );
  }

  /** 1 when a number beyond the range becomes infinity, 0 when it becomes the largest finite one. */
  overflowsToInfinity(rounding: Expr<I32>, sign: Expr<I32>): Expr<I32> {
    // by mode 0-5: 1, !sign, sign, 0, 1, 0
    return and(shrU(select(sign, i32(0b010101), i32(0b010011)), rounding), 1);
  }

  roundingMode(s: Expr<I32>): Expr<I32> {
    return and(shrU(this.fpcr(s), FPCR.RMODE_SHIFT), 3);
  }

  /** Bits 127:64 of the unsigned product. (a, b) -> i64. */
  mulHigh(): FunctionRef {
    return this.define("mulHigh", [I64, I64], [I64], (f, p0, p1) => {
      const a = p0 as Local<I64>;
      const b = p1 as Local<I64>;
      const low = 0xffffffffn;
      const [al, ah, bl, bh] = [and(a, low), shrU(a, 32), and(b, low), shrU(b, 32)].map((e) => f.temp(e)) as [
        Expr<I64>,
        Expr<I64>,
        Expr<I64>,
        Expr<I64>,
      ];
      const t = f.temp(add(mul(ah, bl), shrU(mul(al, bl), 32)));
      const w = f.temp(add(mul(al, bh), and(t, low)));
      f.return(add(add(mul(ah, bh), shrU(t, 32)), shrU(w, 32)));
    });
  }
}
