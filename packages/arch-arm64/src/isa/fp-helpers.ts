/**
 * How descriptions of floating-point instructions reach the arithmetic: formats by number, helper functions of the module.
 *
 * Formats are numbers as element sizes are: 1 half, 2 single, 3 double.
 */
import {
  type Arithmetic,
  BF16_FORMAT,
  type CompareMask,
  F16_FORMAT,
  F32_FORMAT,
  F64_FORMAT,
  FpArithmetic,
  FpBfloat,
  FpCompare,
  FpConvert,
  FpCore,
  FpEstimate,
  type FpFormat,
  type MinMax,
} from "../softfloat/index.ts";
import { L } from "../state/layout.ts";
import {
  and,
  type Callable,
  call,
  type Expr,
  type I32,
  type I64,
  i32,
  load,
  type ModuleBuilder,
  shrU,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import type { Slot } from "./description.ts";
import { lane } from "./simd-lanes.ts";

const FORMAT = [undefined, F16_FORMAT, F32_FORMAT, F64_FORMAT] as unknown as readonly FpFormat[];

interface Fpu {
  readonly arithmetic: FpArithmetic;
  readonly compare: FpCompare;
  readonly convert: FpConvert;
  readonly estimate: FpEstimate;
  readonly bfloat: FpBfloat;
}
/** One set of functions a module. */
const units = new WeakMap<ModuleBuilder, Fpu>();
function fpuOf(module: ModuleBuilder): Fpu {
  const known = units.get(module);
  if (known !== undefined) return known;
  const core = new FpCore(module);
  const fpu = {
    arithmetic: new FpArithmetic(core),
    compare: new FpCompare(core),
    convert: new FpConvert(core),
    estimate: new FpEstimate(core),
    bfloat: new FpBfloat(core),
  };
  units.set(module, fpu);
  return fpu;
}
const helper = (c: Context, name: string, make: (fpu: Fpu) => Callable): Callable =>
  c.helper(`fp.${name}`, (module) => make(fpuOf(module)));
export const formatOf = (size: number): FpFormat => FORMAT[size] as FpFormat;

/** The operations, as values. Operands and results are bit patterns in the low bits of an i64. */
export const fp = {
  binary: (c: Context, op: Arithmetic, size: number, a: Expr<I64>, b: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `${op}.${size}`, (u) => u.arithmetic.binary(op, formatOf(size))),
      c.state,
      a,
      b,
    ),
  minMax: (c: Context, op: MinMax, size: number, a: Expr<I64>, b: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `${op}.${size}`, (u) => u.compare.minMax(op, formatOf(size))),
      c.state,
      a,
      b,
    ),
  mask: (c: Context, op: CompareMask, size: number, a: Expr<I64>, b: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `cm${op}.${size}`, (u) => u.compare.mask(op, formatOf(size))),
      c.state,
      a,
      b,
    ),
  /** NZCV in bits 3:0. */
  compare: (c: Context, signal: boolean, size: number, a: Expr<I64>, b: Expr<I64>): Expr<I32> =>
    call(
      helper(c, `compare${signal ? "e" : ""}.${size}`, (u) => u.compare.compare(formatOf(size), signal)),
      c.state,
      a,
      b,
    ),
  sqrt: (c: Context, size: number, a: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `sqrt.${size}`, (u) => u.arithmetic.sqrt(formatOf(size))),
      c.state,
      a,
    ),
  /** addend + a * b */
  fma: (c: Context, size: number, addend: Expr<I64>, a: Expr<I64>, b: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `fma.${size}`, (u) => u.arithmetic.fma(formatOf(size))),
      c.state,
      addend,
      a,
      b,
    ),
  step: (c: Context, kind: "recip" | "rsqrt", size: number, a: Expr<I64>, b: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `step.${kind}.${size}`, (u) => u.arithmetic.step(kind, formatOf(size))),
      c.state,
      a,
      b,
    ),
  estimate: (c: Context, kind: "recip" | "rsqrt" | "recpx", size: number, a: Expr<I64>): Expr<I64> =>
    call(
      helper(c, `estimate.${kind}.${size}`, (u) => u.estimate[kind](formatOf(size))),
      c.state,
      a,
    ),
  unsignedEstimate: (c: Context, kind: "recip" | "rsqrt", a: Expr<I32>): Expr<I32> =>
    call(
      helper(c, `unsigned.${kind}`, (u) =>
        kind === "recip" ? u.estimate.unsignedRecip() : u.estimate.unsignedRsqrt(),
      ),
      a,
    ),
  convert: (c: Context, from: number, to: number, a: Expr<I64>, odd = false): Expr<I64> =>
    call(
      helper(c, `convert.${from}.${to}${odd ? ".odd" : ""}`, (u) =>
        u.convert.format(formatOf(from), formatOf(to), odd),
      ),
      c.state,
      a,
    ),
  toFixed: (
    c: Context,
    from: number,
    width: 16 | 32 | 64,
    unsigned: boolean,
    a: Expr<I64>,
    fractionBits: Expr<I32>,
    rounding: Expr<I32>,
  ): Expr<I64> =>
    call(
      helper(c, `toFixed.${from}.${width}${unsigned ? "u" : "s"}`, (u) =>
        u.convert.toFixed(formatOf(from), width, unsigned),
      ),
      c.state,
      a,
      fractionBits,
      rounding,
    ),
  /** `a` extended to 64 bits. */
  fromFixed: (c: Context, to: number, unsigned: boolean, a: Expr<I64>, fractionBits: Expr<I32>): Expr<I64> =>
    call(
      helper(c, `fromFixed.${to}${unsigned ? "u" : "s"}`, (u) => u.convert.fromFixed(formatOf(to), unsigned)),
      c.state,
      a,
      fractionBits,
      fpcrRounding(c),
    ),
  roundInt: (c: Context, size: number, a: Expr<I64>, rounding: Expr<I32>, exact: boolean): Expr<I64> =>
    call(
      helper(c, `roundInt.${size}`, (u) => u.convert.roundInt(formatOf(size))),
      c.state,
      a,
      rounding,
      i32(exact ? 1 : 0),
    ),
  /** FRINT32X and the like: integers of `width` bits; what does not fit is the most negative one. */
  roundIntN: (c: Context, size: number, width: 32 | 64, a: Expr<I64>, rounding: Expr<I32>): Expr<I64> =>
    call(
      helper(c, `roundInt${width}.${size}`, (u) => u.convert.roundIntN(formatOf(size), width)),
      c.state,
      a,
      rounding,
    ),
  /** FJCVTZS: the word in bits 31:0, Z in bit 32. */
  toInt32Js: (c: Context, a: Expr<I64>): Expr<I64> =>
    call(
      helper(c, "toInt32Js", (u) => u.convert.toInt32Js()),
      c.state,
      a,
    ),
  /** Half to single precision without flags: operands of FMLAL. */
  widenHalf: (c: Context, a: Expr<I64>): Expr<I64> =>
    call(
      helper(c, "widenHalf", (u) => u.convert.widenHalf()),
      c.state,
      a,
    ),
  /** Single precision to BFloat16. */
  toBfloat: (c: Context, a: Expr<I64>): Expr<I64> =>
    call(
      helper(c, "convert.bf16", (u) => u.convert.format(formatOf(2), BF16_FORMAT)),
      c.state,
      a,
    ),
  /** A single plus the products of two pairs of BFloat16. */
  bfDotAdd: (c: Context, accumulator: Expr<I32>, a: Expr<I32>, b: Expr<I32>): Expr<I32> =>
    call(
      helper(c, "bf.dotAdd", (u) => u.bfloat.dotAdd()),
      accumulator,
      a,
      b,
    ),
  neg: (size: number, a: Expr<I64>): Expr<I64> => xor(a, formatOf(size).sign),
  abs: (size: number, a: Expr<I64>): Expr<I64> => and(a, formatOf(size).sign - 1n),
};

/** FPCR.RMode as an FPRounding value. */
export function fpcrRounding(c: Context): Expr<I32> {
  return and(shrU(load("i32", c.state, L.FPCR), 22), 3);
}
/** A scalar of that format. */
export const fpScalar = (c: Context, slot: Slot, size: number): Expr<I64> => lane(c, slot, size, 0);
