/**
 * X0-X17 of a hypercall, in the SMCCC form: inputs in X1 and up, the error goes to X0 and other results to X1 and up.
 * Source: Arm DEN 0028 (SMCCC 1.3) §2.6; gunyah-hypervisor docs/api/gunyah_api.md, Hypercall ABI
 */

const WORD = 0x1_0000_0000;

/** One register: 64 bits that stay where they are, because most are looked at in halves and a BigInt costs. */
export class RegisterWord {
  readonly #x: BigUint64Array;
  /** Bits 31:0 and 63:32. */
  readonly #halves: Uint32Array;

  /** @param x one register */
  constructor(x: BigUint64Array) {
    this.#x = x;
    this.#halves = new Uint32Array(x.buffer, x.byteOffset, 2);
  }

  /** Bits 31:0. */
  get low(): number {
    return this.#halves[0]!;
  }
  /** Bits 63:32. */
  get high(): number {
    return this.#halves[1]!;
  }
  /** See `Registers.num`. */
  get num(): number {
    return this.#halves[1]! * WORD + this.#halves[0]!;
  }
  /** A non-negative integer below 2^53. */
  set num(value: number) {
    this.setHalves(value >>> 0, Math.floor(value / WORD) >>> 0);
  }
  get value(): bigint {
    return this.#x[0]!;
  }
  set value(value: bigint) {
    this.#x[0] = value;
  }
  setHalves(low: number, high: number): void {
    this.#halves[0] = low;
    this.#halves[1] = high;
  }
}

/** The arguments and results of one call in one set of registers, see `Arguments` and `Results`. */
export interface RegisterViews {
  readonly args: object;
  readonly results: object;
}

/** One set of argument registers, seen as 64-bit values and as 32-bit halves. Both views are live. */
export class Registers {
  readonly x: BigUint64Array;
  /** X<n> is `w[2n]` (bits 31:0) and `w[2n + 1]` (bits 63:32). */
  readonly w: Uint32Array;
  /** X0-X8 one by one. */
  readonly words: readonly RegisterWord[];
  /** By call number, made when the call is first made with these registers. For `HypercallTable` alone. */
  readonly views: (RegisterViews | undefined)[] = [];

  constructor(x: BigUint64Array = new BigUint64Array(18)) {
    this.x = x;
    this.w = new Uint32Array(x.buffer, x.byteOffset, x.length * 2);
    this.words = Array.from({ length: 9 }, (_, i) => new RegisterWord(x.subarray(i, i + 1)));
  }

  /** Bits 31:0 of X<i>, which is what a 32-bit parameter is. */
  low(i: number): number {
    return this.w[2 * i] as number;
  }

  /** Bits 63:32 of X<i>. */
  high(i: number): number {
    return this.w[2 * i + 1] as number;
  }

  /**
   * X<i> as a number. Exact below 2^53 and for every multiple of 4096 (52 significant bits), so that sums and
   * comparisons of page-aligned values are exact; check alignment with `low` first.
   */
  num(i: number): number {
    return (this.w[2 * i + 1] as number) * WORD + (this.w[2 * i] as number);
  }

  /**
   * X<i> as a virtual address: signed, so that addresses of both halves are exact (a kernel's are small negative
   * numbers). Addresses that are not sign-extended from 53 bits fault wherever they are used.
   */
  va(i: number): number {
    return (this.w[2 * i + 1]! | 0) * WORD + this.w[2 * i]!;
  }

  /** X<i> = a non-negative integer below 2^53. */
  set(i: number, value: number): void {
    this.w[2 * i] = value >>> 0;
    this.w[2 * i + 1] = Math.floor(value / WORD) >>> 0;
  }

  /** X<i> = an error value, sign-extended to 64 bits. */
  setError(i: number, error: number): void {
    this.w[2 * i] = error >>> 0;
    this.w[2 * i + 1] = error < 0 ? 0xffff_ffff : 0;
  }

  /** Zero X<first> to X<last>. */
  clear(first: number, last: number): void {
    this.w.fill(0, 2 * first, 2 * last + 2);
  }
}
