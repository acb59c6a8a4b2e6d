/**
 * Every description, in the order of the Arm ARM's encoding index.
 */
import { ATOMICS } from "./atomics.ts";
import { BRANCHES } from "./branches.ts";
import type { Description } from "./description.ts";
import { DP_IMMEDIATE } from "./dp-immediate.ts";
import { DP_REGISTER } from "./dp-register.ts";
import { LOAD_STORE_EXCLUSIVE } from "./load-store-exclusive.ts";
import { LOAD_STORE_PAIR } from "./load-store-pair.ts";
import { LOAD_STORE_REGISTER } from "./load-store-register.ts";
import { SYSTEM } from "./system.ts";

export const INTEGER_DESCRIPTIONS: readonly Description[] = [
  ...DP_IMMEDIATE, ...BRANCHES, ...SYSTEM, ...DP_REGISTER, ...LOAD_STORE_REGISTER, ...LOAD_STORE_PAIR, ...LOAD_STORE_EXCLUSIVE, ...ATOMICS,
];

/** Advanced SIMD and floating point register theirs here. */
export const DESCRIPTIONS: readonly Description[] = [...INTEGER_DESCRIPTIONS];
