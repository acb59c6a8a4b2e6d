/**
 * QARMA5, the cipher of pointer authentication codes: a function of the generated module.
 *
 * The state is 16 cells of 4 bits. Here each cell has a byte of a vector, cell n (bits 4n+3:4n) in lane n: substitution,
 * permutation and rotation of cells are each one instruction.
 *
 * Source: DDI 0487 K.a, pseudocode ComputePAC (ComputePACQARMA5), PACSub, PACMult, PACCellShuffle, TweakShuffle; R. Avanzi,
 * "The QARMA Block Cipher Family", IACR ToSC 2017(1).
 */
import {
  type Expr,
  extractLane,
  type FunctionBuilder,
  type FunctionRef,
  I64,
  type ModuleBuilder,
  rotr,
  shrU,
  shuffle,
  simd,
  simdShift,
  type V128,
  v128,
  xor,
} from "../wasm/index.ts";

const LANES = Array.from({ length: 16 }, (_, n) => n);

/** Of each cell, the cell of the input that it comes from. */
const CELL_SHUFFLE = [13, 6, 11, 0, 7, 12, 1, 10, 8, 3, 14, 5, 2, 9, 4, 15];
const TWEAK_SHUFFLE = [4, 5, 6, 7, 11, 2, 3, 8, 12, 13, 14, 15, 0, 1, 10, 9];
/** Cells of the shuffled tweak that step through the LFSR as well. */
const TWEAK_STEPPED: ReadonlySet<number> = new Set([2, 4, 7, 11, 12, 14, 15]);
const SUBSTITUTION = [0xb, 0x6, 0x8, 0xf, 0xc, 0x0, 0x9, 0xe, 0x3, 0x7, 0x4, 0x5, 0xd, 0x2, 0x1, 0xa];
const ROUND_CONSTANTS = [0n, 0x13198a2e_03707344n, 0xa4093822_299f31d0n, 0x082efa98_ec4e6c89n, 0x452821e6_38d01377n];
const ALPHA = 0xc0ac29b7_c97c50ddn;

const inverse = (permutation: readonly number[]) => LANES.map((n) => permutation.indexOf(n));
const table = (of: (cell: number) => number) => v128(Uint8Array.from(LANES, of));
const lookUp = (values: Expr<V128>, cells: Expr<V128>) => simd("i8x16.swizzle", values, cells);
const vxor = (...terms: Expr<V128>[]) => terms.reduce((sum, term) => simd("v128.xor", sum, term));

/** 64 bits as 16 lanes. */
function spread(f: FunctionBuilder, value: Expr<I64>): Expr<V128> {
  const bytes = f.temp(simd("i64x2.splat", value));
  const low = f.temp(v128(new Uint8Array(16).fill(15)));
  const even = simd("v128.and", bytes, low);
  const odd = simd("v128.and", simdShift("i8x16.shr_u", bytes, 4), low);
  return f.temp(
    shuffle(
      even,
      odd,
      LANES.map((n) => (n >> 1) + (n & 1) * 16),
    ),
  );
}
const spreadConstant = (value: bigint) => table((n) => Number((value >> BigInt(4 * n)) & 15n));
function gather(f: FunctionBuilder, cells: Expr<V128>): Expr<I64> {
  const pairs = f.temp(simd("v128.or", cells, simdShift("i16x8.shr_u", cells, 4)));
  return extractLane(
    "i64x2.extract_lane",
    shuffle(
      pairs,
      pairs,
      LANES.map((n) => (2 * n) & 15),
    ),
    0,
  );
}

/** The steps of a round, on named vectors. */
class Rounds {
  readonly #f: FunctionBuilder;
  constructor(f: FunctionBuilder) {
    this.#f = f;
  }
  #permute(v: Expr<V128>, cells: readonly number[]): Expr<V128> {
    return this.#f.temp(shuffle(v, v, cells));
  }
  substitute = (v: Expr<V128>) =>
    this.#f.temp(
      lookUp(
        table((n) => SUBSTITUTION[n] as number),
        v,
      ),
    );
  substituteInverse = (v: Expr<V128>) =>
    this.#f.temp(
      lookUp(
        table((n) => SUBSTITUTION.indexOf(n)),
        v,
      ),
    );
  shuffleCells = (v: Expr<V128>) => this.#permute(v, CELL_SHUFFLE);
  unshuffleCells = (v: Expr<V128>) => this.#permute(v, inverse(CELL_SHUFFLE));
  /** Each row of four cells becomes the sum of the three others, rotated by 1, 2 and 1 bits. Its own inverse. */
  mix = (v: Expr<V128>) => {
    const rotated = (by: number) =>
      this.#f.temp(
        lookUp(
          table((n) => ((n << by) | (n >> (4 - by))) & 15),
          v,
        ),
      );
    const [one, two] = [rotated(1), rotated(2)];
    const rows = (x: Expr<V128>, by: number) =>
      shuffle(
        x,
        x,
        LANES.map((n) => (n + 4 * by) & 15),
      );
    return this.#f.temp(vxor(rows(one, 1), rows(two, 2), rows(one, 3)));
  };
  /** Some cells go through a table. */
  #step(v: Expr<V128>, of: (cell: number) => number, stepped: (n: number) => boolean): Expr<V128> {
    const mask = v128(Uint8Array.from(LANES, (n) => (stepped(n) ? 0xff : 0)));
    return this.#f.temp(simd("v128.bitselect", lookUp(table(of), v), v, mask));
  }
  nextTweak = (v: Expr<V128>) => this.#step(this.#permute(v, TWEAK_SHUFFLE), lfsr, (n) => TWEAK_STEPPED.has(n));
  previousTweak = (v: Expr<V128>) => {
    const back = LANES.map(lfsr);
    const unstepped = this.#step(
      v,
      (n) => back.indexOf(n),
      (n) => TWEAK_STEPPED.has(n),
    );
    return this.#permute(unstepped, inverse(TWEAK_SHUFFLE));
  };
}
/** x<0> ^ x<1> : x<3:1>. */
const lfsr = (cell: number) => (cell >> 1) | (((cell ^ (cell >> 1)) & 1) << 3);

/** computePac(data, modifier, key<127:64>, key<63:0>) -> 64 bits. */
export function defineComputePac(module: ModuleBuilder): FunctionRef {
  return module.func("computePac", [I64, I64, I64, I64], [I64], (f, data, modifier, keyHigh, keyLow) => {
    const r = new Rounds(f);
    const k0 = spread(f, keyHigh);
    const k1 = spread(f, keyLow);
    const w1 = spread(f, f.temp(xor(rotr(keyHigh, 1), shrU(keyHigh, 63))));
    let tweak = spread(f, modifier);
    let v = f.temp(vxor(spread(f, data), k0));
    ROUND_CONSTANTS.forEach((constant, round) => {
      v = f.temp(vxor(v, k1, tweak, spreadConstant(constant)));
      if (round > 0) v = r.mix(r.shuffleCells(v));
      v = r.substitute(v);
      tweak = r.nextTweak(tweak);
    });
    v = r.substitute(r.mix(r.shuffleCells(f.temp(vxor(v, w1, tweak)))));
    // the reflector
    v = f.temp(vxor(r.mix(r.shuffleCells(v)), k1));
    v = r.unshuffleCells(r.mix(r.substituteInverse(r.unshuffleCells(v))));
    v = f.temp(vxor(v, k0, tweak));
    [...ROUND_CONSTANTS].reverse().forEach((constant, round) => {
      v = r.substituteInverse(v);
      if (round < 4) v = r.unshuffleCells(r.mix(v));
      tweak = r.previousTweak(tweak);
      v = f.temp(vxor(v, k1, tweak, spreadConstant(constant ^ ALPHA)));
    });
    f.return(gather(f, f.temp(vxor(v, w1))));
  });
}
