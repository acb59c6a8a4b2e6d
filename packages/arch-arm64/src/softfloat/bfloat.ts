/**
 * The arithmetic of BFDOT and BFMMLA: single precision that rounds to odd, flushes denormals, gives default NaNs and looks
 * neither at FPCR nor at FPSR.
 *
 * Source: DDI 0487 K.a, J1.3 shared/functions/float: BFDotAdd, BFMulH, BFAdd, FPRoundBF (FEAT_EBF16 absent).
 */
import {
  add,
  and,
  call,
  convert,
  type Expr,
  eq,
  eqz,
  F64,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  type Local,
  ltS,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  xor,
} from "../wasm/index.ts";
import type { FpCore } from "./core.ts";
import { F32_FORMAT, F64_FORMAT } from "./format.ts";

export class FpBfloat {
  readonly core: FpCore;
  constructor(core: FpCore) {
    this.core = core;
  }

  /** (f64) -> bits of a single, rounded to odd; denormals become zeros, what is too large infinite. */
  #oddSingle(): FunctionRef {
    return this.core.define("bf.odd", [F64], [I32], (f, p0) => {
      const value = p0 as Local<F64>;
      const bits = f.temp<I64>(convert("i64.reinterpret_f64", value));
      const sign = f.temp(and(toI32(shrU(bits, 32)), 1 << 31));
      f.if(ne(value, value), () => f.return(i32(Number(F32_FORMAT.defaultNan))));
      const exponent = f.temp(sub(this.core.exponentField(F64_FORMAT, bits), F64_FORMAT.bias));
      f.if(ltS(exponent, 1 - F32_FORMAT.bias), () => f.return(sign));
      f.if(gtS(exponent, F32_FORMAT.bias), () => f.return(or(sign, i32(Number(F32_FORMAT.infinity)))));
      const field = shl(add(exponent, F32_FORMAT.bias), F32_FORMAT.fraction);
      const fraction = and(toI32(shrU(bits, 29)), i32(Number(F32_FORMAT.fractionMask)));
      f.return(or(or(sign, field), or(fraction, ne(and(bits, (1n << 29n) - 1n), 0))));
    });
  }

  /** (bits of a single) -> the same as a double; denormals become zeros. */
  #double(): FunctionRef {
    return this.core.define("bf.double", [I32], [F64], (f, p0) => {
      const bits = p0 as Local<I32>;
      f.if(eqz(and(bits, 0x7f80_0000)), () => f.set(bits, and(bits, 1 << 31)));
      f.return(convert("f64.promote_f32", convert("f32.reinterpret_i32", bits)));
    });
  }

  /** (a, b) -> a + b, of singles. */
  #add(): FunctionRef {
    return this.core.define("bf.add", [I32, I32], [I32], (f, p0, p1) => {
      const x = f.temp(call<F64>(this.#double(), p0 as Local<I32>));
      const y = f.temp(call<F64>(this.#double(), p1 as Local<I32>));
      const sum = f.temp(add(x, y));
      const t = f.temp(sub(sum, x));
      const error = f.temp(add(sub(x, sub(sum, t)), sub(y, t)));
      const bits = f.local(I64);
      f.set(bits, convert("i64.reinterpret_f64", sum));
      // an infinite operand makes the error a NaN
      const inexact = and(ne(error, 0), eq(error, error));
      f.if(and(inexact, eqz(toI32(and(bits, 1)))), () => {
        const away = eqz(toI32(shrU(xor(convert("i64.reinterpret_f64", error), bits), 63)));
        f.set(bits, add(bits, select(away, i64(1), -1)));
      });
      f.return(call(this.#oddSingle(), convert("f64.reinterpret_i64", bits)));
    });
  }

  /** (accumulator, pair, pair) -> accumulator + (a0 * b0 + a1 * b1): a single and pairs of BFloat16, element 0 in bits 15:0. */
  dotAdd(): FunctionRef {
    return this.core.define("bf.dotAdd", [I32, I32, I32], [I32], (f, ...p) => {
      const [accumulator, a, b] = p as unknown as [Local<I32>, Local<I32>, Local<I32>];
      const low = (e: Expr<I32>) => call<F64>(this.#double(), shl(e, 16));
      const high = (e: Expr<I32>) => call<F64>(this.#double(), and(e, -0x1_0000));
      // a product of two significands of 8 bits is exact in a double
      const product = (x: Expr<F64>, y: Expr<F64>) => call<I32>(this.#oddSingle(), mul(x, y));
      const sum = call<I32>(this.#add(), product(low(a), low(b)), product(high(a), high(b)));
      f.return(call(this.#add(), accumulator, sum));
    });
  }
}
