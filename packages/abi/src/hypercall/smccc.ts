/**
 * SMC Calling Convention ids that the hypervisor answers.
 * Source: Arm DEN 0028 (SMCCC 1.3), DEN 0022 (PSCI 1.1), DEN 0057 (PV time), DEN 0098 (TRNG);
 * gunyah-hypervisor hyp/vm/smccc, hyp/vm/psci
 */
export const SMCCC_NOT_SUPPORTED = 0xffff_ffff_ffff_ffffn;

/** Bits of a 32-bit function id. */
export const SmcccFid = {
  FAST: 0x8000_0000,
  SMC64: 0x4000_0000,
  OWNER_SHIFT: 24,
  OWNER_MASK: 0x3f,
  SVE_HINT: 0x1_0000,
} as const;
export const SmcccOwner = { ARCH: 0, CPU: 1, SIP: 2, OEM: 3, STANDARD: 4, STANDARD_HYP: 5, VENDOR_HYP: 6 } as const;

export const Smccc = {
  VERSION: 0x8000_0000,
  ARCH_FEATURES: 0x8000_0001,
  ARCH_WORKAROUND_1: 0x8000_8000,
  PV_TIME_FEATURES: 0xc500_0020,
  PV_TIME_ST: 0xc500_0021,
  TRNG_VERSION: 0x8400_0050,
  TRNG_FEATURES: 0x8400_0051,
  TRNG_GET_UUID: 0x8400_0052,
  TRNG_RND: 0x8400_0053,
  TRNG_RND_64: 0xc400_0053,
  STANDARD_HYP_CALL_UID: 0x8500_ff01,
  STANDARD_HYP_REVISION: 0x8500_ff03,
  VENDOR_HYP_CALL_COUNT: 0x8600_ff00,
  VENDOR_HYP_CALL_UID: 0x8600_ff01,
  VENDOR_HYP_REVISION: 0x8600_ff03,
  /** SMC that the Qualcomm provider of the Linux series asks (owner 6). */
  QCOM_VENDOR_HYP_CALL_UID: 0x8600_3f01,
} as const;
export type Smccc = (typeof Smccc)[keyof typeof Smccc];
/** SMCCC_VERSION result. */
export const SMCCC_VERSION_1_3 = 0x1_0003;

/** c1d58fcd-a453-5fdb-9265-ce36673d5f14, as the words x0..x3 of CALL_UID. */
export const GUNYAH_UID = [0xcd8f_d5c1, 0xdb5f_53a4, 0x36ce_6592, 0x145f_3d67] as const;
/** 19bd54bd-0b37-571b-946f-609b54539de6, which Qualcomm platforms and drivers before v15 know. */
export const QCOM_UID = [0xbd54_bd19, 0x1b57_370b, 0x9b60_6f94, 0xe69d_5354] as const;

/** PSCI function ids (SMC32); the SMC64 form of those that have one is `id | 0x40000000`. */
export const Psci = {
  PSCI_VERSION: 0x8400_0000,
  CPU_SUSPEND: 0x8400_0001,
  CPU_OFF: 0x8400_0002,
  CPU_ON: 0x8400_0003,
  AFFINITY_INFO: 0x8400_0004,
  MIGRATE: 0x8400_0005,
  MIGRATE_INFO_TYPE: 0x8400_0006,
  MIGRATE_INFO_UP_CPU: 0x8400_0007,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  PSCI_FEATURES: 0x8400_000a,
  CPU_FREEZE: 0x8400_000b,
  CPU_DEFAULT_SUSPEND: 0x8400_000c,
  NODE_HW_STATE: 0x8400_000d,
  SYSTEM_SUSPEND: 0x8400_000e,
  PSCI_SET_SUSPEND_MODE: 0x8400_000f,
  SYSTEM_RESET2: 0x8400_0012,
} as const;
export type Psci = (typeof Psci)[keyof typeof Psci];
export const PSCI_VERSION_1_1 = 0x1_0001;

export const PsciResult = {
  SUCCESS: 0,
  NOT_SUPPORTED: -1,
  INVALID_PARAMETERS: -2,
  DENIED: -3,
  ALREADY_ON: -4,
  ON_PENDING: -5,
  INTERNAL_FAILURE: -6,
  NOT_PRESENT: -7,
  DISABLED: -8,
  INVALID_ADDRESS: -9,
} as const;
export type PsciResult = (typeof PsciResult)[keyof typeof PsciResult];
export const PsciAffinityState = { ON: 0, OFF: 1, ON_PENDING: 2 } as const;

/** Reset word of VcpuRunState.PSCI_SYSTEM_RESET: 31:0 type, 62 SMC64 variant, 63 plain SYSTEM_RESET. */
export interface ResetWord {
  readonly type: number;
  readonly smc64: boolean;
  readonly plainReset: boolean;
}
export function packResetWord(reset: ResetWord): bigint {
  return BigInt(reset.type >>> 0) | (reset.smc64 ? 1n << 62n : 0n) | (reset.plainReset ? 1n << 63n : 0n);
}
export function unpackResetWord(word: bigint): ResetWord {
  return {
    type: Number(word & 0xffff_ffffn),
    smc64: ((word >> 62n) & 1n) === 1n,
    plainReset: ((word >> 63n) & 1n) === 1n,
  };
}
