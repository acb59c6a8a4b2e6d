/**
 * IEEE 754 formats and the FPCR and FPSR fields that the arithmetic reads and sets.
 *
 * Source: DDI 0487 K.a, A1.4.2 (formats), C5.2.8 (FPCR), C5.2.9 (FPSR).
 */

/** FPCR fields. */
export const FPCR = {
  /** Flush denormals of half precision in arithmetic; conversions between formats do not look at it. */
  FZ16: 1 << 19,
  RMODE_SHIFT: 22,
  RMODE: 3 << 22,
  FZ: 1 << 24,
  DN: 1 << 25,
  AHP: 1 << 26,
} as const;

/** A binary interchange format. A value is its bit pattern in the low bits of an i64. */
export interface FpFormat {
  readonly name: "f16" | "bf16" | "f32" | "f64";
  readonly bits: 16 | 32 | 64;
  /** Fraction bits. */
  readonly fraction: number;
  /** Exponent field, all ones. */
  readonly maxExponent: number;
  readonly bias: number;
  readonly sign: bigint;
  readonly fractionMask: bigint;
  readonly infinity: bigint;
  readonly quiet: bigint;
  readonly defaultNan: bigint;
  /** The bit of FPCR that flushes its denormals: FZ16 for half precision, else FZ. */
  readonly flush: number;
}

function format(name: FpFormat["name"], bits: FpFormat["bits"], fraction: number): FpFormat {
  const exponentBits = bits - fraction - 1;
  const maxExponent = (1 << exponentBits) - 1;
  const infinity = BigInt(maxExponent) << BigInt(fraction);
  const quiet = 1n << BigInt(fraction - 1);
  return {
    name,
    bits,
    fraction,
    maxExponent,
    bias: maxExponent >> 1,
    infinity,
    quiet,
    sign: 1n << BigInt(bits - 1),
    fractionMask: (1n << BigInt(fraction)) - 1n,
    defaultNan: infinity | quiet,
    flush: name === "f16" ? FPCR.FZ16 : FPCR.FZ,
  };
}

export const F16_FORMAT = format("f16", 16, 10);
/** BFloat16 of FEAT_BF16: only conversions round to it. */
export const BF16_FORMAT = format("bf16", 16, 7);
export const F32_FORMAT = format("f32", 32, 23);
export const F64_FORMAT = format("f64", 64, 52);

/** FPSR cumulative bits. */
export const FPSR = { IOC: 1, DZC: 2, OFC: 4, UFC: 8, IXC: 16, IDC: 128, QC: 1 << 27 } as const;

/** FPRounding: the four of FPCR.RMode, and those that instructions name. */
export const FpRounding = { TIEEVEN: 0, POSINF: 1, NEGINF: 2, ZERO: 3, TIEAWAY: 4, ODD: 5 } as const;
export type FpRounding = (typeof FpRounding)[keyof typeof FpRounding];
