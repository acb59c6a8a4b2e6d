/**
 * Results of hypervisor_identify.
 * Source: gunyah-hypervisor hyp/interfaces/hypercalls/identify.tc; docs/api/gunyah_api.md, Identify Hypervisor
 */
export interface ApiInfo {
  /** 14 bits; 1 today. */
  readonly version: number;
  readonly bigEndian: boolean;
  readonly is64Bit: boolean;
  /** 8 bits, see `ApiVariant`. */
  readonly variant: number;
}
export const API_VERSION = 1;
export const ApiVariant = { UNKNOWN: 0, GUNYAH: 0x48, QUALCOMM: 0x51 } as const;

/** hyp_api_info: 13:0 version, 14 big endian, 15 64-bit, 63:56 variant. */
export function packApiInfo(info: ApiInfo): bigint {
  return (
    BigInt((info.version & 0x3fff) | (info.bigEndian ? 0x4000 : 0) | (info.is64Bit ? 0x8000 : 0)) |
    (BigInt(info.variant & 0xff) << 56n)
  );
}
export function unpackApiInfo(word: bigint): ApiInfo {
  const low = Number(word & 0xffffn);
  return {
    version: low & 0x3fff,
    bigEndian: (low & 0x4000) !== 0,
    is64Bit: (low & 0x8000) !== 0,
    variant: Number((word >> 56n) & 0xffn),
  };
}

/** Bit numbers in flags0. Bits 31:28 hold the scheduler (0 trivial, 1 fixed-priority round robin). */
export const ApiFeature = {
  PARTITION_CSPACE: 0,
  DOORBELL: 1,
  MSGQUEUE: 2,
  VIC: 3,
  VPM: 4,
  VCPU: 5,
  MEMEXTENT: 6,
  TRACE: 7,
  WATCHDOG: 8,
  VIRTIO_MMIO: 9,
  PRNG: 10,
  VCPU_RUN: 11,
} as const;
export type ApiFeature = (typeof ApiFeature)[keyof typeof ApiFeature];
export const ApiScheduler = { TRIVIAL: 0, FPRR: 1 } as const;

/** What the QEMU build of the December 2023 hypervisor returns. */
export const QEMU_API_INFO = 0x5100_0000_0000_8001n;
export const QEMU_API_FLAGS0 = 0x1000_0effn;
