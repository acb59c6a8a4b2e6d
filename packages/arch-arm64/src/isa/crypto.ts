/**
 * AES, SHA-1 and SHA-256 instructions. PMULL of doublewords is with the three different class.
 *
 * Source: DDI 0487 K.a C4.1.96 (cryptographic AES, three-register SHA, two-register SHA); FIPS 197; FIPS 180-4.
 */
import {
  add,
  and,
  call,
  type Expr,
  extractLane,
  type I32,
  or,
  replaceLane,
  rotl,
  rotr,
  shrU,
  shuffle,
  toI64U,
  V128,
  v128,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import { op, shift, splat, standardSlots, unarySlots, vand, vor, vxor } from "./simd-lanes.ts";

type Vector = Expr<V128>;

// ------------------------------------------------------------------------------------------------------------- AES

/** The S-box from its definition: the inverse in GF(2^8), then an affine map. Source: FIPS 197 §5.1.1. */
function sBox(): Uint8Array {
  const box = new Uint8Array(256);
  let p = 1;
  let q = 1;
  do {
    p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff;
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    q &= 0xff;
    if (q & 0x80) q ^= 0x09;
    const rotate = (n: number) => ((q << n) | (q >> (8 - n))) & 0xff;
    box[p] = q ^ rotate(1) ^ rotate(2) ^ rotate(3) ^ rotate(4) ^ 0x63;
  } while (p !== 1);
  box[0] = 0x63;
  return box;
}
function inverse(box: Uint8Array): Uint8Array {
  const result = new Uint8Array(256);
  for (const [i, value] of box.entries()) result[value] = i;
  return result;
}

/** Look 16 bytes up in a table of 256: a swizzle for each row of 16, of which one hits. */
export function substitute(c: Context, name: string, table: () => Uint8Array, v: Vector): Vector {
  const helper = c.helper(name, (module) =>
    module.func(name, [V128], [V128], (f, x) => {
      const bytes = table();
      let result: Vector | undefined;
      for (let row = 0; row < 16; row++) {
        const part = op(
          "swizzle",
          0,
          v128(bytes.slice(16 * row, 16 * row + 16)),
          row === 0 ? x : op("sub", 0, x, splat(0, BigInt(16 * row))),
        );
        result = result === undefined ? part : vor(result, part);
      }
      f.return(result as Vector);
    }),
  );
  return call(helper, v);
}

/** Byte 4 * column + row comes from column + row (or column - row). */
const shiftRows = (v: Vector, inverted: boolean): Vector =>
  shuffle(
    v,
    v,
    Array.from({ length: 16 }, (_, at) => {
      const row = at & 3;
      const column = at >> 2;
      return 4 * ((inverted ? column - row + 4 : column + row) & 3) + row;
    }),
  );
/** Times x in GF(2^8). */
const double = (v: Vector): Vector => vxor(shift("shl", 0, v, 1), vand(shift("shr_s", 0, v, 7), splat(0, 0x1bn)));
const rotateColumn = (v: Vector, by: number): Vector =>
  shuffle(
    v,
    v,
    Array.from({ length: 16 }, (_, at) => (at & ~3) + ((at + by) & 3)),
  );
function mixColumns(c: Context, v: Vector): Vector {
  const next = c.temp(rotateColumn(v, 1));
  return vxor(vxor(double(c.temp(vxor(v, next))), next), vxor(rotateColumn(v, 2), rotateColumn(v, 3)));
}

const aes: readonly Description[] = [
  ...[0, 1].map((decrypt) =>
    define({
      name: decrypt ? "AESD" : "AESE",
      feature: "FEAT_AES",
      pattern: `01001110 00 10100 0010${decrypt} 10 Rn:5 Rd:5`,
      operands: unarySlots,
      fp: true,
      execute: (c) => {
        const state = c.temp(shiftRows(c.temp(vxor(c.v("d"), c.v("n"))), decrypt === 1));
        c.setV(
          "d",
          decrypt
            ? substitute(c, "aes.inverse", () => inverse(sBox()), state)
            : substitute(c, "aes.forward", sBox, state),
        );
      },
      syntax: (f) => `${decrypt ? "aesd" : "aese"} v${f.Rd}.16b, v${f.Rn}.16b`,
    }),
  ),
  define({
    name: "AESMC",
    feature: "FEAT_AES",
    pattern: "01001110 00 10100 00110 10 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => c.setV("d", mixColumns(c, c.temp(c.v("n")))),
    syntax: (f) => `aesmc v${f.Rd}.16b, v${f.Rn}.16b`,
  }),
  define({
    name: "AESIMC",
    feature: "FEAT_AES",
    pattern: "01001110 00 10100 00111 10 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      // the inverse is MixColumns after adding 4 * (a0 + a2) and 4 * (a1 + a3)
      const v = c.temp(c.v("n"));
      const sum = c.temp(vxor(v, rotateColumn(v, 2)));
      c.setV("d", mixColumns(c, c.temp(vxor(v, double(c.temp(double(sum)))))));
    },
    syntax: (f) => `aesimc v${f.Rd}.16b, v${f.Rn}.16b`,
  }),
];

// ------------------------------------------------------------------------------------------------------------- SHA

export type Words = [Expr<I32>, Expr<I32>, Expr<I32>, Expr<I32>];
export const words = (c: Context, v: Vector): Words => {
  const named = c.temp(v);
  return [0, 1, 2, 3].map((i) => c.temp(extractLane("i32x4.extract_lane", named, i))) as Words;
};
export function vectorOf(c: Context, w: Words): Vector {
  let v: Vector = op("splat", 2, w[0]);
  for (let i = 1; i < 4; i++) v = replaceLane("i32x4.replace_lane", v, i, w[i] as Expr<I32>);
  return c.temp(v);
}
const choose = (x: Expr<I32>, y: Expr<I32>, z: Expr<I32>) => xor(and(xor(y, z), x), z);
const parity = (x: Expr<I32>, y: Expr<I32>, z: Expr<I32>) => xor(xor(x, y), z);
const majority = (x: Expr<I32>, y: Expr<I32>, z: Expr<I32>) => or(and(x, y), and(or(x, y), z));

const sha1Rounds = (
  [
    ["sha1c", "000", choose],
    ["sha1p", "001", parity],
    ["sha1m", "010", majority],
  ] as const
).map(([mnemonic, opcode, combine]) =>
  define({
    name: mnemonic.toUpperCase(),
    feature: "FEAT_SHA1",
    pattern: `01011110 00 0 Rm:5 0 ${opcode} 00 Rn:5 Rd:5`,
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      let x = words(c, c.v("d"));
      let y = c.temp(extractLane("i32x4.extract_lane", c.v("n"), 0));
      const w = words(c, c.v("m"));
      for (let i = 0; i < 4; i++) {
        const t = c.temp(add(add(y, rotl(x[0], 5)), add(combine(x[1], x[2], x[3]), w[i] as Expr<I32>)));
        // <Y, X> = ROL(Y:X, 32) after X<63:32> = ROL(X<63:32>, 30)
        y = x[3];
        x = [t, x[0], c.temp(rotl(x[1], 30)), x[2]];
      }
      c.setV("d", vectorOf(c, x));
    },
    syntax: (f) => `${mnemonic} q${f.Rd}, s${f.Rn}, v${f.Rm}.4s`,
  }),
);

const sha256Hash = [0, 1].map((part2) =>
  define({
    name: part2 ? "SHA256H2" : "SHA256H",
    feature: "FEAT_SHA256",
    pattern: `01011110 00 0 Rm:5 0 10${part2} 00 Rn:5 Rd:5`,
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      // SHA256H has a-d in Qd and e-h in Qn; SHA256H2 the other way round
      let x = words(c, c.v(part2 ? "n" : "d"));
      let y = words(c, c.v(part2 ? "d" : "n"));
      const w = words(c, c.v("m"));
      for (let i = 0; i < 4; i++) {
        const sigma1 = xor(xor(rotr(y[0], 6), rotr(y[0], 11)), rotr(y[0], 25));
        const sigma0 = xor(xor(rotr(x[0], 2), rotr(x[0], 13)), rotr(x[0], 22));
        const t = c.temp(add(add(y[3], sigma1), add(choose(y[0], y[1], y[2]), w[i] as Expr<I32>)));
        const e = c.temp(add(t, x[3]));
        const a = c.temp(add(t, add(sigma0, majority(x[0], x[1], x[2]))));
        [x, y] = [
          [a, x[0], x[1], x[2]],
          [e, y[0], y[1], y[2]],
        ];
      }
      c.setV("d", vectorOf(c, part2 ? y : x));
    },
    syntax: (f) => `${part2 ? "sha256h2" : "sha256h"} q${f.Rd}, q${f.Rn}, v${f.Rm}.4s`,
  }),
);

const schedule: readonly Description[] = [
  define({
    name: "SHA1SU0",
    feature: "FEAT_SHA1",
    pattern: "01011110 00 0 Rm:5 0 011 00 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const d = c.temp(c.v("d"));
      const middle = shuffle(d, c.v("n"), [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
      c.setV("d", vxor(vxor(middle, d), c.v("m")));
    },
    syntax: (f) => `sha1su0 v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`,
  }),
  define({
    name: "SHA256SU1",
    feature: "FEAT_SHA256",
    pattern: "01011110 00 0 Rm:5 0 110 00 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const d = words(c, c.v("d"));
      const n = words(c, c.v("n"));
      const m = words(c, c.v("m"));
      const sigma1 = (x: Expr<I32>) => xor(xor(rotr(x, 17), rotr(x, 19)), shrU(x, 10));
      const r0 = c.temp(add(add(sigma1(m[2]), d[0]), n[1]));
      const r1 = c.temp(add(add(sigma1(m[3]), d[1]), n[2]));
      const r2 = c.temp(add(add(sigma1(r0), d[2]), n[3]));
      const r3 = c.temp(add(add(sigma1(r1), d[3]), m[0]));
      c.setV("d", vectorOf(c, [r0, r1, r2, r3]));
    },
    syntax: (f) => `sha256su1 v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`,
  }),
  define({
    name: "SHA1H",
    feature: "FEAT_SHA1",
    pattern: "01011110 00 10100 00000 10 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => c.setVLow("d", toI64U(rotl(extractLane("i32x4.extract_lane", c.v("n"), 0), 30))),
    syntax: (f) => `sha1h s${f.Rd}, s${f.Rn}`,
  }),
  define({
    name: "SHA1SU1",
    feature: "FEAT_SHA1",
    pattern: "01011110 00 10100 00001 10 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      const d = words(c, c.v("d"));
      const n = words(c, c.v("n"));
      const t = [xor(d[0], n[1]), xor(d[1], n[2]), xor(d[2], n[3]), d[3]].map((e) => c.temp(e)) as Words;
      const r0 = c.temp(rotl(t[0], 1));
      c.setV(
        "d",
        vectorOf(c, [r0, c.temp(rotl(t[1], 1)), c.temp(rotl(t[2], 1)), c.temp(xor(rotl(t[3], 1), rotl(t[0], 2)))]),
      );
    },
    syntax: (f) => `sha1su1 v${f.Rd}.4s, v${f.Rn}.4s`,
  }),
  define({
    name: "SHA256SU0",
    feature: "FEAT_SHA256",
    pattern: "01011110 00 10100 00010 10 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      const d = words(c, c.v("d"));
      const n0 = c.temp(extractLane("i32x4.extract_lane", c.v("n"), 0));
      const sigma0 = (x: Expr<I32>) => xor(xor(rotr(x, 7), rotr(x, 18)), shrU(x, 3));
      c.setV(
        "d",
        vectorOf(
          c,
          [1, 2, 3, 4].map((i) =>
            c.temp(add(d[i - 1] as Expr<I32>, sigma0((i < 4 ? d[i] : n0) as Expr<I32>))),
          ) as Words,
        ),
      );
    },
    syntax: (f) => `sha256su0 v${f.Rd}.4s, v${f.Rn}.4s`,
  }),
];

export const CRYPTO: readonly Description[] = [...aes, ...sha1Rounds, ...sha256Hash, ...schedule];
