/**
 * Every description, in the order of the Arm ARM's encoding index.
 */
import { ATOMICS } from "./atomics.ts";
import { BRANCHES } from "./branches.ts";
import { CRYPTO } from "./crypto.ts";
import type { Description } from "./description.ts";
import { DP_IMMEDIATE } from "./dp-immediate.ts";
import { DP_REGISTER } from "./dp-register.ts";
import { FP_SCALAR } from "./fp-scalar.ts";
import { LOAD_STORE_EXCLUSIVE } from "./load-store-exclusive.ts";
import { LOAD_STORE_PAIR } from "./load-store-pair.ts";
import { LOAD_STORE_REGISTER } from "./load-store-register.ts";
import { PAUTH } from "./pauth.ts";
import { SHA512_SHA3 } from "./sha512.ts";
import { SIMD_COMPLEX } from "./simd-complex.ts";
import { SIMD_ELEMENT } from "./simd-element.ts";
import { SIMD_FP } from "./simd-fp.ts";
import { SIMD_FP_TWO_REG } from "./simd-fp-two-reg.ts";
import { SIMD_LOAD_STORE } from "./simd-load-store.ts";
import { SIMD_MATRIX } from "./simd-matrix.ts";
import { SIMD_PERMUTE } from "./simd-permute.ts";
import { SIMD_SHIFT } from "./simd-shift.ts";
import { SIMD_THREE_DIFFERENT } from "./simd-three-different.ts";
import { SIMD_THREE_SAME } from "./simd-three-same.ts";
import { SIMD_TWO_REG } from "./simd-two-reg.ts";
import { SM3_SM4 } from "./sm3-sm4.ts";
import { SYSTEM } from "./system.ts";

export const INTEGER_DESCRIPTIONS: readonly Description[] = [
  ...DP_IMMEDIATE,
  ...BRANCHES,
  ...SYSTEM,
  ...DP_REGISTER,
  ...LOAD_STORE_REGISTER,
  ...LOAD_STORE_PAIR,
  ...LOAD_STORE_EXCLUSIVE,
  ...ATOMICS,
  ...PAUTH,
];

export const SIMD_FP_DESCRIPTIONS: readonly Description[] = [
  ...SIMD_LOAD_STORE,
  ...SIMD_THREE_SAME,
  ...SIMD_THREE_DIFFERENT,
  ...SIMD_TWO_REG,
  ...SIMD_PERMUTE,
  ...SIMD_SHIFT,
  ...SIMD_ELEMENT,
  ...SIMD_FP,
  ...SIMD_FP_TWO_REG,
  ...FP_SCALAR,
  ...CRYPTO,
  ...SHA512_SHA3,
  ...SM3_SM4,
  ...SIMD_COMPLEX,
  ...SIMD_MATRIX,
];

export const DESCRIPTIONS: readonly Description[] = [...INTEGER_DESCRIPTIONS, ...SIMD_FP_DESCRIPTIONS];
