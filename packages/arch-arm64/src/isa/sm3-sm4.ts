/**
 * SM3 and SM4 instructions.
 *
 * Source: DDI 0487 K.a C4.1.96 (cryptographic three-register imm2, four-register, three-register SHA 512, two-register SHA
 * 512), C7.2 (SM3*, SM4*); GB/T 32905-2016 (SM3), GB/T 32907-2016 (SM4).
 */
import {
  add,
  and,
  type Expr,
  extractLane,
  type I32,
  load,
  not,
  or,
  replaceLane,
  rotl,
  shl,
  xor,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { substitute, vectorOf, type Words, words } from "./crypto.ts";
import { type Description, define } from "./description.ts";
import { standardSlots, unarySlots, vxor, zeroVector } from "./simd-lanes.ts";

const word = (c: Context, slot: "d" | "n" | "m" | "a", index: number): Expr<I32> =>
  c.temp(extractLane("i32x4.extract_lane", c.v(slot), index));

// ------------------------------------------------------------------------------------------------------------- SM3

/** P1 of the message expansion: x ^ x <<< 15 ^ x <<< 23. */
const p1 = (x: Expr<I32>) => xor(xor(x, rotl(x, 15)), rotl(x, 23));

const expansion: readonly Description[] = [
  define({
    name: "SM3PARTW1",
    feature: "FEAT_SM3",
    pattern: "11001110011 Rm:5 110000 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const both = words(c, vxor(c.v("d"), c.v("n")));
      const m = words(c, c.v("m"));
      const result: Expr<I32>[] = [0, 1, 2].map((i) =>
        c.temp(p1(c.temp(xor(both[i] as Expr<I32>, rotl(m[i + 1] as Expr<I32>, 15))))),
      );
      // the last word needs the first one's result
      result.push(c.temp(p1(c.temp(xor(both[3], rotl(result[0] as Expr<I32>, 15))))));
      c.setV("d", vectorOf(c, result as unknown as Words));
    },
    syntax: (f) => `sm3partw1 v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`,
  }),
  define({
    name: "SM3PARTW2",
    feature: "FEAT_SM3",
    pattern: "11001110011 Rm:5 110001 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const [d, n, m] = [words(c, c.v("d")), words(c, c.v("n")), words(c, c.v("m"))];
      const t = [0, 1, 2, 3].map((i) => c.temp(xor(n[i] as Expr<I32>, rotl(m[i] as Expr<I32>, 7))));
      const result = t.map((x, i) => c.temp(xor(d[i] as Expr<I32>, x)));
      const first = c.temp(rotl(t[0] as Expr<I32>, 15));
      result[3] = c.temp(xor(result[3] as Expr<I32>, p1(first)));
      c.setV("d", vectorOf(c, result as unknown as Words));
    },
    syntax: (f) => `sm3partw2 v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`,
  }),
];

const ss1 = define({
  name: "SM3SS1",
  feature: "FEAT_SM3",
  pattern: "11001110 010 Rm:5 0 Ra:5 Rn:5 Rd:5",
  operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: w.vSlot("Rm"), a: w.vSlot("Ra") }),
  fp: true,
  execute: (c) => {
    const value = c.temp(rotl(add(add(rotl(word(c, "n", 3), 12), word(c, "m", 3)), word(c, "a", 3)), 7));
    // the upper word of the register, the rest zero
    c.setV("d", replaceLane("i32x4.replace_lane", zeroVector(), 3, value));
  },
  syntax: (f) => `sm3ss1 v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s, v${f.Ra}.4s`,
});

/** One round: FF of rounds 0-15 or of the rest, over the words d3 d2 d1; then the update of the state. */
const rounds = (["sm3tt1a", "sm3tt1b", "sm3tt2a", "sm3tt2b"] as const).map((mnemonic, opcode) =>
  define({
    name: mnemonic.toUpperCase(),
    feature: "FEAT_SM3",
    pattern: `11001110010 Rm:5 10 imm2:2 ${opcode.toString(2).padStart(2, "0")} Rn:5 Rd:5`,
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), m: w.vSlot("Rm"), imm: shl(w.field("imm2"), 2) }),
    fp: true,
    execute: (c) => {
      const [d0, d1, d2, d3] = words(c, c.v("d"));
      const w = c.temp(load("i32", add(c.vAddress("m"), c.imm())));
      const n = word(c, "n", 3);
      const parity = () => xor(xor(d3, d2), d1);
      const majority = () => or(and(d3, or(d2, d1)), and(d2, d1));
      const choose = () => or(and(d3, d2), and(not(d3), d1));
      const f = [parity, majority, parity, choose][opcode] as () => Expr<I32>;
      const isFirst = opcode < 2;
      const t = c.temp(add(add(f(), d0), add(isFirst ? xor(n, rotl(d3, 12)) : n, w)));
      const last = isFirst ? t : c.temp(xor(xor(t, rotl(t, 9)), rotl(t, 17)));
      c.setV("d", vectorOf(c, [d1, c.temp(rotl(d2, isFirst ? 9 : 19)), d3, last]));
    },
    syntax: (f) => `${mnemonic} v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.s[${f.imm2}]`,
  }),
);

// ------------------------------------------------------------------------------------------------------------- SM4

/** The S-box from its definition: affine, inverse in GF(2^8) modulo x^8+x^7+x^6+x^5+x^4+x^2+1, affine. */
function sm4Box(): Uint8Array {
  const times = (a: number, b: number) => {
    let product = 0;
    for (let bit = 7; bit >= 0; bit--) {
      product <<= 1;
      if (product & 0x100) product ^= 0x1f5;
      if ((b >> bit) & 1) product ^= a;
    }
    return product;
  };
  const inverses = Uint8Array.from({ length: 256 }, (_, x) => {
    for (let y = 1; y < 256; y++) if (times(x, y) === 1) return y;
    return 0;
  });
  const affine = (x: number) => {
    let result = 0xd3;
    for (let bit = 0; bit < 8; bit++) {
      const row = ((0xa7 << bit) | (0xa7 >> (8 - bit))) & 0xff;
      let parity = 0;
      for (let rest = row & x; rest !== 0; rest &= rest - 1) parity ^= 1;
      result ^= parity << bit;
    }
    return result;
  };
  return Uint8Array.from({ length: 256 }, (_, x) => affine(inverses[affine(x)] as number));
}

/** Four rounds over the words of `state` with these round keys; `mix` is L or L' behind the S-box. */
function sm4Rounds(c: Context, state: Words, keys: readonly Expr<I32>[], mix: (x: Expr<I32>) => Expr<I32>): Words {
  let [w0, w1, w2, w3] = state;
  for (const key of keys) {
    const input = c.temp(xor(xor(w3, w2), xor(w1, key)));
    const substituted = c.temp(
      extractLane("i32x4.extract_lane", substitute(c, "sm4.box", sm4Box, vectorOf(c, [input, input, input, input])), 0),
    );
    [w0, w1, w2, w3] = [w1, w2, w3, c.temp(xor(mix(substituted), w0))];
  }
  return [w0, w1, w2, w3];
}

const sm4: readonly Description[] = [
  define({
    name: "SM4E",
    feature: "FEAT_SM4",
    pattern: "1100111011000000100001 Rn:5 Rd:5",
    operands: unarySlots,
    fp: true,
    execute: (c) => {
      const keys = words(c, c.v("n"));
      const mix = (x: Expr<I32>) => xor(xor(xor(x, rotl(x, 2)), xor(rotl(x, 10), rotl(x, 18))), rotl(x, 24));
      c.setV("d", vectorOf(c, sm4Rounds(c, words(c, c.v("d")), keys, mix)));
    },
    syntax: (f) => `sm4e v${f.Rd}.4s, v${f.Rn}.4s`,
  }),
  define({
    name: "SM4EKEY",
    feature: "FEAT_SM4",
    pattern: "11001110011 Rm:5 110010 Rn:5 Rd:5",
    operands: standardSlots,
    fp: true,
    execute: (c) => {
      const constants = words(c, c.v("m"));
      const mix = (x: Expr<I32>) => xor(xor(x, rotl(x, 13)), rotl(x, 23));
      c.setV("d", vectorOf(c, sm4Rounds(c, words(c, c.v("n")), constants, mix)));
    },
    syntax: (f) => `sm4ekey v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`,
  }),
];

export const SM3_SM4: readonly Description[] = [...expansion, ss1, ...rounds, ...sm4];
