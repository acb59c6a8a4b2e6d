/**
 * A hypercall's inputs into registers, by the table.
 * Source: Arm DEN 0028 (SMCCC 1.3) §2.6; gunyah-hypervisor docs/api/gunyah_api.md, Hypercall ABI
 */

import type { HypercallArguments, HypercallDefinition } from "./calls.ts";

const WORD = 0x1_0000_0000;

/**
 * Fill X0-X<n> for `HVC #0`: function id, `inputs` in the table's order, reserved ones in between. Makes no BigInt of a
 * number, because doorbells, messages, pages and vcpu_run pass here.
 *
 * @param x X0 and up
 * @param w the same registers as halves, X<n> at 2n (bits 31:0) and 2n + 1
 * @param inputs numbers are non-negative integers below 2^53, or small negative ones (sign-extended to 64 bits)
 */
export function encodeHypercall<D extends HypercallDefinition>(
  x: BigUint64Array,
  w: Uint32Array,
  definition: D,
  ...inputs: HypercallArguments<D>
): void {
  w[0] = definition.fid;
  w[1] = 0;
  const values = inputs as readonly (number | bigint)[];
  const { inputs: parameters } = definition;
  let next = 0;
  for (let i = 0; i < parameters.length; i++) {
    const at = 2 * i + 2;
    const { kind } = parameters[i]!;
    if (kind === "res0") w[at] = w[at + 1] = 0;
    else if (kind === "res1") w[at] = w[at + 1] = 0xffff_ffff;
    else {
      const value = values[next++]!;
      if (typeof value === "bigint") x[i + 1] = value;
      else {
        w[at] = value >>> 0;
        w[at + 1] = Math.floor(value / WORD) >>> 0;
      }
    }
  }
}
