/**
 * The TRNG firmware interface.
 * Source: Arm DEN 0098 1.0; gunyah-hypervisor hyp/vm/trng_fi/src/trng_fi.c
 */

import { Smccc } from "@gunyah-ts/abi";
import type { Entropy } from "@gunyah-ts/kernel";
import type { Registers } from "../hypercall/registers.ts";

const VERSION_1_0 = 0x1_0000;
const NOT_SUPPORTED = -1;
const INVALID_PARAMETERS = -2;
const MAX_BITS_32 = 96;
const MAX_BITS_64 = 192;
/** Identity of this entropy source: a version-4 UUID of our own. */
const UUID = [0x6a1e_51c4, 0x8f42_4b0d, 0x9f3d_27ce, 0x01d6_58aa] as const;
const FUNCTIONS = new Set<number>([
  Smccc.TRNG_VERSION,
  Smccc.TRNG_FEATURES,
  Smccc.TRNG_GET_UUID,
  Smccc.TRNG_RND,
  Smccc.TRNG_RND_64,
]);

/**
 * Results are written to the registers that the call defines, with errors 64 bits wide, also for an SMC32 id.
 * @returns false when `fid` is none of the interface's; no register is touched then
 */
export function trngCall(entropy: Entropy, fid: number, r: Registers): boolean {
  switch (fid) {
    case Smccc.TRNG_VERSION:
      r.set(0, VERSION_1_0);
      r.clear(1, 3);
      return true;
    case Smccc.TRNG_FEATURES:
      r.setError(0, FUNCTIONS.has(r.low(1)) ? 0 : NOT_SUPPORTED);
      return true;
    case Smccc.TRNG_GET_UUID:
      UUID.forEach((word, i) => {
        r.set(i, word);
      });
      return true;
    case Smccc.TRNG_RND:
      return random(entropy, r, r.low(1), MAX_BITS_32, 32);
    case Smccc.TRNG_RND_64:
      return random(entropy, r, r.num(1), MAX_BITS_64, 64);
    default:
      return false;
  }
}

/** `bits` of entropy go to the low bits of X3, then X2, then X1; the others are zero. */
function random(entropy: Entropy, r: Registers, bits: number, maxBits: number, width: number): boolean {
  if (bits === 0 || bits > maxBits) {
    r.setError(0, INVALID_PARAMETERS);
    return true;
  }
  r.set(0, 0);
  let left = bits;
  for (let i = 3; i >= 1; i--) {
    const take = Math.min(left, width);
    r.x[i] = take === 0 ? 0n : BigInt.asUintN(take, entropy.next64());
    left -= take;
  }
  return true;
}
