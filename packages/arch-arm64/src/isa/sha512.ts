/**
 * SHA-512 (FEAT_SHA512) and SHA-3 (FEAT_SHA3) instructions, on doublewords.
 *
 * Source: DDI 0487 K.a C4.1.96 (cryptographic three-register SHA 512, two-register SHA 512, four-register, three-register
 * imm6); FIPS 180-4 §4.1.3; FIPS 202 §3.2.
 */
import {
  add,
  and,
  type Expr,
  extractLane,
  type I64,
  or,
  replaceLane,
  rotr,
  shrU,
  simd,
  toI64U,
  type V128,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import { shift, standardSlots, unarySlots, vandnot, vor, vxor } from "./simd-lanes.ts";

type Pair = readonly [low: Expr<I64>, high: Expr<I64>];
const pair = (c: Context, slot: "d" | "n" | "m"): Pair => {
  const v = c.temp(c.v(slot));
  return [c.temp(extractLane("i64x2.extract_lane", v, 0)), c.temp(extractLane("i64x2.extract_lane", v, 1))];
};
const vector = ([low, high]: Pair): Expr<V128> => replaceLane("i64x2.replace_lane", simd("i64x2.splat", low), 1, high);
const rotated = (x: Expr<I64>, a: number, b: number, c: number) => xor(xor(rotr(x, a), rotr(x, b)), rotr(x, c));
const choose = (x: Expr<I64>, y: Expr<I64>, z: Expr<I64>) => xor(and(xor(y, z), x), z);
const majority = (x: Expr<I64>, y: Expr<I64>, z: Expr<I64>) => or(and(x, y), and(or(x, y), z));
const sum = (...terms: Expr<I64>[]) => terms.reduce((a, b) => add(a, b));

const sha512: readonly Description[] = [
  define({
    name: "SHA512H",
    feature: "FEAT_SHA512",
    pattern: "11001110011 Rm:5 100000 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const [d, n, m] = [pair(c, "d"), pair(c, "n"), pair(c, "m")];
      const high = c.temp(sum(choose(m[1], n[0], n[1]), rotated(m[1], 14, 18, 41), d[1]));
      const t = c.temp(add(high, m[0]));
      c.setV("d", vector([c.temp(sum(choose(t, m[1], n[0]), rotated(t, 14, 18, 41), d[0])), high]));
    },
    syntax: (f) => `sha512h q${f.Rd}, q${f.Rn}, v${f.Rm}.2d`,
  }),
  define({
    name: "SHA512H2",
    feature: "FEAT_SHA512",
    pattern: "11001110011 Rm:5 100001 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const [d, n, m] = [pair(c, "d"), pair(c, "n"), pair(c, "m")];
      const high = c.temp(sum(majority(n[0], m[1], m[0]), rotated(m[0], 28, 34, 39), d[1]));
      c.setV("d", vector([c.temp(sum(majority(high, m[0], m[1]), rotated(high, 28, 34, 39), d[0])), high]));
    },
    syntax: (f) => `sha512h2 q${f.Rd}, q${f.Rn}, v${f.Rm}.2d`,
  }),
  define({
    name: "SHA512SU0",
    feature: "FEAT_SHA512",
    pattern: "1100111011000000100000 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      const [d, n] = [pair(c, "d"), pair(c, "n")];
      const sigma0 = (x: Expr<I64>) => xor(xor(rotr(x, 1), rotr(x, 8)), shrU(x, 7));
      c.setV("d", vector([c.temp(add(d[0], sigma0(d[1]))), c.temp(add(d[1], sigma0(n[0])))]));
    },
    syntax: (f) => `sha512su0 v${f.Rd}.2d, v${f.Rn}.2d`,
  }),
  define({
    name: "SHA512SU1",
    feature: "FEAT_SHA512",
    pattern: "11001110011 Rm:5 100010 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const [d, n, m] = [pair(c, "d"), pair(c, "n"), pair(c, "m")];
      const sigma1 = (x: Expr<I64>) => xor(xor(rotr(x, 19), rotr(x, 61)), shrU(x, 6));
      c.setV("d", vector([c.temp(sum(d[0], sigma1(n[0]), m[0])), c.temp(sum(d[1], sigma1(n[1]), m[1]))]));
    },
    syntax: (f) => `sha512su1 v${f.Rd}.2d, v${f.Rn}.2d, v${f.Rm}.2d`,
  }),
];

const sha3: readonly Description[] = [
  ...(["eor3", "bcax"] as const).map((mnemonic, clear) =>
    define({
      name: mnemonic.toUpperCase(),
      feature: "FEAT_SHA3",
      pattern: `11001110 00${clear} Rm:5 0 Ra:5 Rn:5 Rd:5`,
      operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: w.vSlot("Rm"), a: w.vSlot("Ra") }),
      fp: true,
      execute: (c) => c.setV("d", vxor(c.v("n"), clear ? vandnot(c.v("m"), c.v("a")) : vxor(c.v("m"), c.v("a")))),
      syntax: (f) => `${mnemonic} v${f.Rd}.16b, v${f.Rn}.16b, v${f.Rm}.16b, v${f.Ra}.16b`,
    }),
  ),
  define({
    name: "RAX1",
    feature: "FEAT_SHA3",
    pattern: "11001110011 Rm:5 100011 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const m = c.temp(c.v("m"));
      c.setV("d", vxor(c.v("n"), vor(shift("shl", 3, m, 1), shift("shr_u", 3, m, 63))));
    },
    syntax: (f) => `rax1 v${f.Rd}.2d, v${f.Rn}.2d, v${f.Rm}.2d`,
  }),
  define({
    name: "XAR",
    feature: "FEAT_SHA3",
    pattern: "11001110100 Rm:5 imm6:6 Rn:5 Rd:5",
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: w.vSlot("Rm"), imm: w.field("imm6") }),
    fp: true,
    execute: (c) => {
      const count = c.temp(toI64U(c.imm()));
      const t = c.temp(vxor(c.v("n"), c.v("m")));
      const turned = (i: 0 | 1) => c.temp(rotr(extractLane("i64x2.extract_lane", t, i), count));
      c.setV("d", vector([turned(0), turned(1)]));
    },
    syntax: (f) => `xar v${f.Rd}.2d, v${f.Rn}.2d, v${f.Rm}.2d, #${f.imm6}`,
  }),
];

export const SHA512_SHA3: readonly Description[] = [...sha512, ...sha3];
