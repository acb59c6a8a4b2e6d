/**
 * Capability ids: the 16-bit index of a slot, scattered over 64 bits differently in every space and at every boot.
 * Source: gunyah-hypervisor hyp/core/cspace_twolevel/src/cspace_twolevel.c, cspace_init_id_encoder,
 * cspace_encode_cap_id, cspace_decode_cap_id
 */

import type { Entropy } from "@gunyah-ts/kernel";

/**
 * id = index * multiplier XOR base. The high word of the base is below 0xFFFFFF00, so that no id lies where special
 * values (-1) are.
 *
 * Differs: an id whose quotient has a remainder is malformed here; there it stands for the slot below it, because the
 * division is by a reciprocal.
 */
export class CapIdCodec {
  readonly #baseLow: number;
  readonly #baseHigh: number;
  readonly #multiplier: number;

  constructor(entropy: Entropy) {
    let base: bigint;
    do base = entropy.next64();
    while (base >> 32n >= 0xffff_ff00n);
    this.#baseLow = Number(base & 0xffff_ffffn);
    this.#baseHigh = Number(base >> 32n);
    let multiplier = 0;
    while (multiplier === 0) multiplier = Number(entropy.next64() & 0xffffn);
    this.#multiplier = multiplier;
  }

  /** @param index 16 bits */
  encode(index: number): bigint {
    const low = (Math.imul(index, this.#multiplier) ^ this.#baseLow) >>> 0;
    return (BigInt(this.#baseHigh) << 32n) | BigInt(low);
  }

  /** @returns the index, or -1 when the id was not made by this codec */
  decode(low: number, high: number): number {
    if (high !== this.#baseHigh) return -1;
    const product = (low ^ this.#baseLow) >>> 0;
    const index = Math.floor(product / this.#multiplier);
    return index <= 0xffff && index * this.#multiplier === product ? index : -1;
  }
}
