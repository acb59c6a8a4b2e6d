/**
 * CPU models: which features a PE has, and who it says that it is.
 *
 * No model has AArch32, EL3, or EL2 for the guest; all have 48-bit addresses, three granules, 16-bit ASIDs and VMIDs and
 * coherent instruction fetch (CTR_EL0.{DIC, IDC}), whatever the real part says. README.md lists what else differs.
 *
 * Source: Arm Cortex-A53 MPCore TRM (DDI 0500) 4.3; Arm Neoverse N1 Core TRM (100616) B2; DDI 0487 K.a A2.
 */
import { ALL_FEATURES, type Feature } from "./features.ts";

export interface CpuModel {
  /** MIDR_EL1, until the hypervisor writes VPIDR_EL2. */
  readonly midr: bigint;
  readonly features: readonly Feature[];
}

const CRYPTO = ["FEAT_AES", "FEAT_PMULL", "FEAT_SHA1", "FEAT_SHA256"] as const;

const CORTEX_A53 = [...CRYPTO, "FEAT_CRC32", "FEAT_PMUv3"] as const;

const NEOVERSE_N1 = [
  ...CORTEX_A53,
  // Armv8.1 and 8.2
  "FEAT_LSE",
  "FEAT_RDM",
  "FEAT_PAN",
  "FEAT_PAN2",
  "FEAT_HPDS",
  "FEAT_UAO",
  "FEAT_TTCNP",
  "FEAT_DPB",
  // optional in 8.2
  "FEAT_FP16",
  "FEAT_DotProd",
  "FEAT_LRCPC",
  "FEAT_CSV2",
  "FEAT_CSV3",
  "FEAT_SSBS2",
] as const;

export const CPU_MODELS = {
  /** Armv8.0-A, r0p4. */
  "cortex-a53": { midr: 0x410f_d034n, features: CORTEX_A53 },
  /** Armv8.2-A, r4p1. */
  "neoverse-n1": { midr: 0x414f_d0c1n, features: NEOVERSE_N1 },
  /** Every feature there is. Implementer 0 (reserved for software), part 0x6A7 ("gunyah"), r0p1. */
  max: { midr: 0x000f_6a71n, features: ALL_FEATURES },
} as const satisfies Readonly<Record<string, CpuModel>>;

export type CpuModelName = keyof typeof CPU_MODELS;
export const DEFAULT_CPU_MODEL: CpuModelName = "max";
