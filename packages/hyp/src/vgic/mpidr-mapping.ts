/**
 * vCPU index to MPIDR_EL1 affinity and back.
 * Source: gunyah-hypervisor hyp/platform/arm_generic/aarch64/src/cpu.c
 */

/** Each affinity level is `(index >> shift) & mask`. Arrays run from Aff0 to Aff3. */
export interface MpidrMapping {
  readonly shifts: readonly [number, number, number, number];
  readonly masks: readonly [number, number, number, number];
  /** MPIDR_EL1.MT. */
  readonly multiThread: boolean;
}

/** Aff0 counts to 15, as ICC_SGI1R_EL1.TargetList does; Aff1 counts the rest. */
export const DEFAULT_MPIDR_MAPPING: MpidrMapping = {
  shifts: [0, 4, 0, 0],
  masks: [0xf, 0xf, 0, 0],
  multiThread: false,
};

/** Affinity of a vCPU index: Aff3 31:24, Aff2 23:16, Aff1 15:8, Aff0 7:0. */
export function indexToAffinity(mapping: MpidrMapping, index: number): number {
  let affinity = 0;
  for (let level = 0; level < 4; level++)
    affinity |= ((index >>> mapping.shifts[level]!) & mapping.masks[level]! & 0xff) << (8 * level);
  return affinity >>> 0;
}

/** vCPU index of an affinity, -1 when no index has it. */
export function affinityToIndex(mapping: MpidrMapping, affinity: number): number {
  let index = 0;
  for (let level = 0; level < 4; level++) {
    const value = (affinity >>> (8 * level)) & 0xff;
    if ((value & ~mapping.masks[level]!) !== 0) return -1;
    index |= (value & mapping.masks[level]!) << mapping.shifts[level]!;
  }
  return index;
}

/** MPIDR_EL1, 64 bits: affinity, RES1 bit 31, MT. */
export function mpidrOf(mapping: MpidrMapping, index: number): bigint {
  const affinity = indexToAffinity(mapping, index);
  return (
    (BigInt(affinity >>> 24) << 32n) |
    0x8000_0000n |
    (mapping.multiThread ? 1n << 24n : 0n) |
    BigInt(affinity & 0xff_ffff)
  );
}
