/**
 * Numbers and rules that the walks of both stages share: granules, output sizes, descriptors. In WebAssembly.
 *
 * Source: DDI 0487 K.a, D8.3 (descriptor formats), D8.2 (granules and sizes).
 */
import { ACCDESC } from "../state/layout.ts";
import {
  and,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  I32,
  type I64,
  i32,
  i64,
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
import { ATTR } from "./layout.ts";

/** Physical address size: ID_AA64MMFR0_EL1.PARange is 5, 48 bits. */
export const PA_BITS = 48;
export const ADDRESS_47_0 = 0x0000_ffff_ffff_ffffn;

/** Bits high:low of a word. */
export const field = (e: Expr<I32>, high: number, low: number): Expr<I32> =>
  and(shrU(e, low), (1 << (high - low + 1)) - 1);
export const bit64 = (e: Expr<I64>, n: number): Expr<I32> => and(toI32(shrU(e, n)), 1);

/** HCR_EL2 bits. */
export const HCR_VM = 1;
export const HCR_PTW = 1 << 2;
export const HCR_DC = 1 << 12;

/** Index bits of a level, from log2 of the granule. */
export function strideOf(f: FunctionBuilder, grain: Expr<I32>): Expr<I32> {
  return f.temp(sub(grain, 3));
}

/** Address bits of IPS and PS. Source: D19.2.137 TCR_EL1.IPS. */
export function outputBits(f: FunctionBuilder, ps: Expr<I32>): Expr<I32> {
  const out = f.local(I32);
  f.set(out, PA_BITS);
  for (const [code, bits] of [
    [0, 32],
    [1, 36],
    [2, 40],
    [3, 42],
    [4, 44],
  ] as const)
    f.if(eq(ps, code), () => f.set(out, bits));
  return out;
}

/** Next table: descriptor[47:grain]. */
export function tableAddress(descriptor: Expr<I64>, grain: Expr<I32>): Expr<I64> {
  return and(and(descriptor, ADDRESS_47_0), shl(i64(-1), toI64U(grain)));
}

/**
 * Whether a valid descriptor that is no table is also no leaf: at level 3 only 0b11 is a page; blocks exist at level 1
 * (4 KiB granule) and 2.
 */
export function invalidLeaf(low: Expr<I32>, level: Expr<I32>, grain: Expr<I32>): Expr<I32> {
  return select(eq(level, 3), eqz(and(low, 2)), and(ne(level, 2), or(ne(level, 1), ne(grain, 12))));
}

/** An access to Device memory that is not aligned to its elements. */
export function misalignedDevice(attr: Expr<I32>, va: Expr<I64>, accdesc: Expr<I32>, isFetch: Expr<I32>): Expr<I32> {
  const mask = sub(shl(i32(1), and(shrU(accdesc, ACCDESC.ELEMENT_SHIFT), 7)), 1);
  return and(and(ne(and(attr, ATTR.DEVICE), 0), eqz(isFetch)), ne(and(toI32(va), mask), 0));
}

/** Whether bits 63:56 of an address do not count: TCR_EL1.TBIx, and for instructions not TBIDx. 0 or 1. */
export function emitTopByteIgnored(tcr: Expr<I64>, upper: Expr<I32>, isFetch: Expr<I32>): Expr<I32> {
  const tbi = select(upper, bit64(tcr, 38), bit64(tcr, 37));
  const tbid = select(upper, bit64(tcr, 52), bit64(tcr, 51));
  return and(tbi, xor(and(tbid, isFetch), 1));
}
