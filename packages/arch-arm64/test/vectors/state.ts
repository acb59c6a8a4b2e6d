/**
 * Machine states of recorded cases: the layout that `scripts/recorder.c` reads and writes, and the generator of initial
 * states. The generator is frozen: committed vectors name initial states by profile and seed.
 */

/** As in `scripts/recorder.c`. */
export const CODE_ENTRY = 0x4100_2000;
export const WINDOW = 0x4200_1800;
export const WINDOW_SIZE = 256;
export const MAX_WORDS = 16;

/** struct machine_state. */
export const FIELD = {
  WORD_COUNT: 0,
  SIGNAL: 4,
  FAULT_ADDRESS: 8,
  WORDS: 16,
  X: 80,
  SP: 328,
  PC: 336,
  NZCV: 344,
  FPCR: 348,
  FPSR: 352,
  V: 360,
  WINDOW: 872,
  BYTES: 1128,
} as const;
export const SIGNAL = { ILL: 4, TRAP: 5, BUS: 7, SEGV: 11 } as const;

/** What fills the vector registers. HALF_FLUSHED is HALF with FPCR.FZ16 set. */
export const Profile = { INTEGER: 0, HALF: 1, SINGLE: 2, DOUBLE: 3, HALF_FLUSHED: 4 } as const;
export type Profile = (typeof Profile)[keyof typeof Profile];

/** xorshift128, seeded by splitmix. 32 bits a draw. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  constructor(seed: number) {
    let z = seed >>> 0;
    const next = () => {
      z = (z + 0x9e3779b9) >>> 0;
      let t = z ^ (z >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return (t ^ (t >>> 15)) >>> 0;
    };
    [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next() | 1];
  }
  next(): number {
    let t = this.#d;
    const s = this.#a;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#a = t ^ s ^ (s >>> 19);
    return this.#a >>> 0;
  }
  /** 0 to n - 1. */
  below(n: number): number {
    return this.next() % n;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** A seed for a name. FNV-1a. */
export function seedOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

const CORNERS: readonly (readonly bigint[])[] = [
  [
    0n,
    1n,
    2n,
    0x7fn,
    0x80n,
    0xffn,
    0x7fffn,
    0x8000n,
    0xffffn,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
    (1n << 63n) - 1n,
    1n << 63n,
    (1n << 64n) - 1n,
    0x8080_8080_8080_8080n,
    0x8000_8000_8000_8000n,
    0x8000_0000_8000_0000n,
    0x7f7f_7f7f_7f7f_7f7fn,
    0x0101_0101_0101_0101n,
  ],
  [
    0n,
    0x8000n,
    1n,
    0x8001n,
    0x3ffn,
    0x83ffn,
    0x400n,
    0x8400n,
    0x3c00n,
    0xbc00n,
    0x3555n,
    0x7bffn,
    0xfbffn,
    0x7c00n,
    0xfc00n,
    0x7e00n,
    0xfe00n,
    0x7e55n,
    0x7c01n,
    0xfd12n,
    0x7fffn,
    0xffffn,
  ],
  [
    0n,
    0x8000_0000n,
    1n,
    0x8000_0001n,
    0x7f_ffffn,
    0x807f_ffffn,
    0x80_0000n,
    0x8080_0000n,
    0x3f80_0000n,
    0xbf80_0000n,
    0x3f00_0000n,
    0x3fc0_0000n,
    0x4020_0000n,
    0x3f80_0001n,
    0x3eff_ffffn,
    0x4b80_0000n,
    0x4b00_0001n,
    0x4f00_0000n,
    0xcf00_0000n,
    0x4f80_0000n,
    0x5f00_0000n,
    0xdf00_0000n,
    0x7f7f_ffffn,
    0xff7f_ffffn,
    0x7f80_0000n,
    0xff80_0000n,
    0x7fc0_0000n,
    0xffc0_0000n,
    0x7fc1_2345n,
    0x7f80_0001n,
    0xffa3_4567n,
    0x477f_f000n,
    0x3880_0000n,
    0x3300_0000n,
    0x3300_0001n,
    0x0040_0000n,
    0x7e80_0000n,
    0x0020_0000n,
  ],
  [
    0n,
    1n << 63n,
    1n,
    (1n << 63n) | 1n,
    0xf_ffff_ffff_ffffn,
    0x10_0000_0000_0000n,
    0x8010_0000_0000_0000n,
    0x3ff0_0000_0000_0000n,
    0xbff0_0000_0000_0000n,
    0x3fe0_0000_0000_0000n,
    0x3ff8_0000_0000_0000n,
    0x4004_0000_0000_0000n,
    0x3ff0_0000_0000_0001n,
    0x3fdf_ffff_ffff_ffffn,
    0x4330_0000_0000_0001n,
    0x4340_0000_0000_0000n,
    0x41e0_0000_0000_0000n,
    0xc1e0_0000_0000_0000n,
    0x41f0_0000_0000_0000n,
    0x43e0_0000_0000_0000n,
    0xc3e0_0000_0000_0000n,
    0x43f0_0000_0000_0000n,
    0x7fef_ffff_ffff_ffffn,
    0xffef_ffff_ffff_ffffn,
    0x7ff0_0000_0000_0000n,
    0xfff0_0000_0000_0000n,
    0x7ff8_0000_0000_0000n,
    0xfff8_0000_0000_0000n,
    0x7ff8_dead_beef_0001n,
    0x7ff0_0000_0000_0001n,
    0xfff4_0000_2000_0000n,
    0x36a0_0000_0000_0000n,
    0x3810_0000_0000_0000n,
    0x380f_ffff_e000_0000n,
    0x47ef_ffff_e000_0000n,
    0x47ef_ffff_f000_0000n,
    0x40ef_fc00_0000_0000n,
    0x0008_0000_0000_0000n,
    0x7fd0_0000_0000_0000n,
  ],
];
const BITS = [64, 16, 32, 64];
const FRACTION = [0, 10, 23, 52];

const random64 = (r: Prng) => (BigInt(r.next()) << 32n) | BigInt(r.next());

/** A number of the profile's format: a corner, near one, or anything. */
function value(r: Prng, profile: Profile): bigint {
  const bits = BigInt(BITS[profile] as number);
  const mask = (1n << bits) - 1n;
  const kind = r.below(16);
  if (profile === Profile.INTEGER) {
    if (kind < 4) return r.pick(CORNERS[0] as readonly bigint[]);
    if (kind < 6) return BigInt.asUintN(64, BigInt(r.below(64)) - 16n);
    if (kind < 7) return BigInt(r.next());
    return random64(r);
  }
  if (kind < 5) return r.pick(CORNERS[profile] as readonly bigint[]);
  const fraction = BigInt(FRACTION[profile] as number);
  const exponentBits = bits - fraction - 1n;
  const bias = (1n << (exponentBits - 1n)) - 1n;
  const sign = BigInt(r.below(2)) << (bits - 1n);
  // few significant bits: exact results happen
  const significand =
    kind < 8
      ? random64(r) & ((1n << fraction) - 1n) & (-1n << (fraction - BigInt(1 + r.below(6))))
      : random64(r) & ((1n << fraction) - 1n);
  if (kind < 13) return sign | ((bias + BigInt(r.below(24)) - 12n) << fraction) | significand;
  if (kind < 15) return sign | ((random64(r) & ((1n << exponentBits) - 1n)) << fraction) | significand;
  return random64(r) & mask;
}

/** The state that a profile and a seed name, in a buffer of `FIELD.BYTES`. Words, and what `override` sets, come after. */
export function initialState(into: DataView, named: Profile, seed: number): void {
  const profile = named === Profile.HALF_FLUSHED ? Profile.HALF : named;
  const r = new Prng(seed);
  new Uint8Array(into.buffer, into.byteOffset, FIELD.BYTES).fill(0);
  for (let n = 0; n < 31; n++)
    into.setBigUint64(
      FIELD.X + 8 * n,
      value(r, r.below(3) === 0 && profile !== Profile.HALF ? profile : Profile.INTEGER),
      true,
    );
  into.setBigUint64(FIELD.SP, BigInt(WINDOW + 128), true);
  into.setUint32(FIELD.NZCV, (r.below(16) << 28) >>> 0, true);
  // RMode, FZ, DN, AHP
  const control =
    r.below(5) < 2
      ? 0
      : (r.below(4) << 22) |
        ((r.below(3) === 0 ? 1 : 0) << 24) |
        ((r.below(4) === 0 ? 1 : 0) << 25) |
        ((r.below(4) === 0 ? 1 : 0) << 26);
  into.setUint32(FIELD.FPCR, control | (named === Profile.HALF_FLUSHED ? 1 << 19 : 0), true);
  into.setUint32(FIELD.FPSR, r.below(2) === 0 ? 0 : (r.next() & 0x0800_009f) >>> 0, true);
  const bits = BITS[profile] as number;
  let previous = 0n;
  for (let n = 0; n < 32; n++) {
    for (let at = 0; at < 128; at += bits) {
      let v = value(r, profile);
      // related operands: cancellation, ties
      const relation = r.below(12);
      if (relation === 0) v = previous ^ (1n << BigInt(bits - 1));
      else if (relation === 1) v = previous;
      else if (relation === 2) v = (previous ^ (1n << BigInt(bits - 1))) + 1n;
      v = BigInt.asUintN(bits, v);
      previous = v;
      const offset = FIELD.V + 16 * n + (at >> 3);
      if (bits === 16) into.setUint16(offset, Number(v), true);
      else if (bits === 32) into.setUint32(offset, Number(v), true);
      else into.setBigUint64(offset, v, true);
    }
  }
  for (let at = 0; at < WINDOW_SIZE; at += 4) into.setUint32(FIELD.WINDOW + at, r.next(), true);
}
