/**
 * Comparison, minimum and maximum.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: FPCompare, FPCompareEQ, FPCompareGE, FPCompareGT, FPMax, FPMin, FPMaxNum, FPMinNum.
 */
import {
  and,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  type Local,
  ltS,
  ne,
  not,
  or,
  select,
  sub,
} from "../wasm/index.ts";
import type { FpCore } from "./core.ts";
import { FPSR, type FpFormat } from "./format.ts";

export type MinMax = "min" | "max" | "minnm" | "maxnm";
export type CompareMask = "eq" | "ge" | "gt";

export class FpCompare {
  readonly core: FpCore;
  constructor(core: FpCore) {
    this.core = core;
  }

  /** A signed integer whose order is the order of the numbers, NaNs aside: sign and magnitude to two's complement. */
  #order(format: FpFormat, a: Expr<I64>): Expr<I64> {
    const magnitude = this.core.magnitude(format, a);
    const negative = this.core.signBit(format, a);
    return select(negative, sub(i64(0), magnitude), magnitude);
  }

  /** (s, a, b) -> NZCV in bits 3:0. `signal`: a quiet NaN raises IOC too (FCMPE). */
  compare(format: FpFormat, signal: boolean): FunctionRef {
    const { core } = this;
    return core.define(`compare${signal ? "Signal" : ""}.${format.name}`, [I32, I64, I64], [I32], (f, p0, p1, p2) => {
      const s = p0 as Local<I32>;
      const [a, b] = [p1, p2] as [Local<I64>, Local<I64>];
      const flush = core.flushInput(format);
      f.set(a, call<I64>(flush, s, a));
      f.set(b, call<I64>(flush, s, b));
      f.if(or(core.isNan(format, a), core.isNan(format, b)), () => {
        if (signal) core.raise(f, s, FPSR.IOC);
        else
          f.if(or(core.isSignallingNan(format, a), core.isSignallingNan(format, b)), () => core.raise(f, s, FPSR.IOC));
        f.return(0b0011);
      });
      const x = f.temp(this.#order(format, a));
      const y = f.temp(this.#order(format, b));
      f.return(select(eq(x, y), i32(0b0110), select(ltS(x, y), i32(0b1000), i32(0b0010))));
    });
  }

  /** (s, a, b) -> all ones in the format's width, or 0: FCMEQ, FCMGE, FCMGT. */
  mask(op: CompareMask, format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`cm${op}.${format.name}`, [I32, I64, I64], [I64], (f, p0, p1, p2) => {
      const nzcv = f.temp(
        call<I32>(this.compare(format, op !== "eq"), p0 as Local<I32>, p1 as Local<I64>, p2 as Local<I64>),
      );
      const holds = op === "eq" ? eq(nzcv, 0b0110) : op === "gt" ? eq(nzcv, 0b0010) : and(eqz(and(nzcv, 0b1001)), 1);
      f.return(select(holds, i64((format.sign << 1n) - 1n), 0));
    });
  }

  /** (s, a, b) -> the smaller or larger one. */
  minMax(op: MinMax, format: FpFormat): FunctionRef {
    const { core } = this;
    return core.define(`${op}.${format.name}`, [I32, I64, I64], [I64], (f, p0, p1, p2) => {
      const s = p0 as Local<I32>;
      const [a, b] = [p1, p2] as [Local<I64>, Local<I64>];
      const flush = core.flushInput(format);
      f.set(a, call<I64>(flush, s, a));
      f.set(b, call<I64>(flush, s, b));
      if (op === "minnm" || op === "maxnm") {
        // one quiet NaN is missing data
        const quiet = (v: Expr<I64>) => and(core.isNan(format, v), ne(and(v, format.quiet), 0));
        const quietA = f.temp(quiet(a));
        const quietB = f.temp(quiet(b));
        f.if(and(quietA, eqz(core.isNan(format, b))), () => f.return(b));
        f.if(and(quietB, eqz(core.isNan(format, a))), () => f.return(a));
      }
      core.returnNans(f, s, format, [a, b]);
      const isMax = op.startsWith("max");
      // -0 is below +0 here
      const rank = (v: Expr<I64>) =>
        select(core.signBit(format, v), not(core.magnitude(format, v)), core.magnitude(format, v));
      f.return(select(isMax ? gtS(rank(a), rank(b)) : ltS(rank(a), rank(b)), a, b));
    });
  }
}
