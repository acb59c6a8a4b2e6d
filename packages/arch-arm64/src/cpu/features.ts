/**
 * The optional features of the architecture that this backend has: one row each, with the ID register fields that
 * advertise it. A feature has a row when everything of it works, and not before.
 *
 * What a feature brings is marked where it is described, by its name: encodings by `feature` of their description,
 * registers and their bits by `feature` and `bits` of their row in the register table, PSTATE bits below. A CPU model
 * (`models.ts`) is a set of these names; `Cpu` (`cpu.ts`) makes the rest UNDEFINED, RES0 or NOP.
 *
 * Source: DDI 0487 K.a, A2 (features), D24.2 (ID registers).
 */

/** Register, lowest bit of the 4-bit field, and the field's value when this is the field's highest feature. */
type Field = readonly [register: string, shift: number, value: number];

export const FEATURES = {
  FEAT_AES: [["ID_AA64ISAR0_EL1", 4, 1]],
  FEAT_PMULL: [["ID_AA64ISAR0_EL1", 4, 2]],
  FEAT_SHA1: [["ID_AA64ISAR0_EL1", 8, 1]],
  FEAT_SHA256: [["ID_AA64ISAR0_EL1", 12, 1]],
  FEAT_CRC32: [["ID_AA64ISAR0_EL1", 16, 1]],
  FEAT_LSE: [["ID_AA64ISAR0_EL1", 20, 2]],
  FEAT_RNG: [["ID_AA64ISAR0_EL1", 60, 1]],
  FEAT_RDM: [["ID_AA64ISAR0_EL1", 28, 1]],
  FEAT_DotProd: [["ID_AA64ISAR0_EL1", 44, 1]],
  FEAT_FlagM: [["ID_AA64ISAR0_EL1", 52, 1]],
  FEAT_FlagM2: [["ID_AA64ISAR0_EL1", 52, 2]],
  FEAT_DPB: [["ID_AA64ISAR1_EL1", 0, 1]],
  FEAT_DPB2: [["ID_AA64ISAR1_EL1", 0, 2]],
  FEAT_LRCPC: [["ID_AA64ISAR1_EL1", 20, 1]],
  FEAT_LRCPC2: [["ID_AA64ISAR1_EL1", 20, 2]],
  /** Addresses and generic code by QARMA5; no FEAT_EPAC, FEAT_PAuth2 or FEAT_FPAC. */
  FEAT_PAuth: [
    ["ID_AA64ISAR1_EL1", 4, 1],
    ["ID_AA64ISAR1_EL1", 24, 1],
  ],
  FEAT_SB: [["ID_AA64ISAR1_EL1", 36, 1]],
  FEAT_DIT: [["ID_AA64PFR0_EL1", 48, 1]],
  FEAT_SHA512: [["ID_AA64ISAR0_EL1", 12, 2]],
  FEAT_SHA3: [["ID_AA64ISAR0_EL1", 32, 1]],
  FEAT_SM3: [["ID_AA64ISAR0_EL1", 36, 1]],
  FEAT_SM4: [["ID_AA64ISAR0_EL1", 40, 1]],
  FEAT_FHM: [["ID_AA64ISAR0_EL1", 48, 1]],
  FEAT_JSCVT: [["ID_AA64ISAR1_EL1", 12, 1]],
  FEAT_FCMA: [["ID_AA64ISAR1_EL1", 16, 1]],
  FEAT_FRINTTS: [["ID_AA64ISAR1_EL1", 32, 1]],
  FEAT_BF16: [["ID_AA64ISAR1_EL1", 44, 1]],
  FEAT_I8MM: [["ID_AA64ISAR1_EL1", 52, 1]],
  FEAT_FP16: [
    ["ID_AA64PFR0_EL1", 16, 1],
    ["ID_AA64PFR0_EL1", 20, 1],
  ],
  FEAT_CSV2: [["ID_AA64PFR0_EL1", 56, 1]],
  FEAT_CSV3: [["ID_AA64PFR0_EL1", 60, 1]],
  /** With the PSTATE bit's MSR and MRS: FEAT_SSBS2. */
  FEAT_SSBS2: [["ID_AA64PFR1_EL1", 4, 2]],
  FEAT_PMUv3: [["ID_AA64DFR0_EL1", 8, 1]],
  FEAT_PAN: [["ID_AA64MMFR1_EL1", 20, 1]],
  FEAT_PAN2: [["ID_AA64MMFR1_EL1", 20, 2]],
  FEAT_HPDS: [["ID_AA64MMFR1_EL1", 12, 1]],
  FEAT_UAO: [["ID_AA64MMFR2_EL1", 4, 1]],
  FEAT_LSE2: [["ID_AA64MMFR2_EL1", 32, 1]],
  FEAT_TTCNP: [["ID_AA64MMFR2_EL1", 0, 1]],
  FEAT_E0PD: [["ID_AA64MMFR2_EL1", 60, 1]],
} as const satisfies Readonly<Record<string, readonly Field[]>>;

export type Feature = keyof typeof FEATURES;

/** Every feature that the backend has. */
export const ALL_FEATURES = Object.keys(FEATURES) as readonly Feature[];

/** Value of an ID register: what every model has, and what the features add. */
export function idRegister(name: string, base: bigint, features: ReadonlySet<Feature>): bigint {
  let value = base;
  for (const feature of features)
    for (const [register, shift, field] of FEATURES[feature] as readonly Field[]) {
      if (register !== name) continue;
      const at = BigInt(shift);
      const old = (value >> at) & 15n;
      if (BigInt(field) > old) value = (value & ~(15n << at)) | (BigInt(field) << at);
    }
  return value;
}
