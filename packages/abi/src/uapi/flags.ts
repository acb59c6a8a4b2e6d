/**
 * Flags and enumerations of the user ABI.
 * Source: Linux series v17, include/uapi/linux/gunyah.h
 */
export const FnType = { VCPU: 1, IRQFD: 2, IOEVENTFD: 3 } as const;
export type FnType = (typeof FnType)[keyof typeof FnType];
/** Largest argument of ADD_FUNCTION, bytes. */
export const FN_MAX_ARG_SIZE = 256;

export const GuestMemFlag = { CLOEXEC: 1, ALLOW_HUGEPAGE: 2 } as const;
export const IrqfdFlag = { LEVEL: 1 } as const;
export const IoeventfdFlag = { DATAMATCH: 1 } as const;

/** VM_MAP_MEM flags of the series. */
export const MapMemFlag = {
  DEFAULT_ACCESS: 0,
  FORCE_LEND: 0x001,
  FORCE_SHARE: 0x002,
  ACCESS_MASK: 0x007,
  ALLOW_READ: 0x010,
  ALLOW_WRITE: 0x020,
  ALLOW_EXEC: 0x040,
  ALLOW_RWX: 0x070,
  UNMAP: 0x100,
} as const;
/** The Android variant (crosvm) swaps the two nibbles. */
export const AndroidMapMemFlag = {
  DEFAULT_ACCESS: 0,
  FORCE_LEND: 0x010,
  FORCE_SHARE: 0x020,
  ACCESS_MASK: 0x070,
  ALLOW_READ: 0x001,
  ALLOW_WRITE: 0x002,
  ALLOW_EXEC: 0x004,
  ALLOW_RWX: 0x007,
  UNMAP: 0x100,
} as const;
/** Flags of the v14 userspace_memory_region. */
export const UserMemFlag = { READ: 1, WRITE: 2, EXEC: 4 } as const;

export const VcpuExit = { UNKNOWN: 0, MMIO: 1, STATUS: 2, PAGE_FAULT: 3 } as const;
export type VcpuExit = (typeof VcpuExit)[keyof typeof VcpuExit];
export const VmStatus = { LOAD_FAILED: 1, EXITED: 2, CRASHED: 3 } as const;
export type VmStatus = (typeof VmStatus)[keyof typeof VmStatus];
/** Userspace's resume actions. The hypervisor's numbers differ: see `VcpuResumeAction`. */
export const VcpuPageResume = { HANDLED: 0, FAULT: 1, RETRY: 2 } as const;
export type VcpuPageResume = (typeof VcpuPageResume)[keyof typeof VcpuPageResume];
export const MAX_EXIT_REASON_SIZE = 8;

/** Register sets of VM_SET_BOOT_CONTEXT; `bootContextReg(set, index)` makes the register word. */
export const BootContextSet = { X: 0, PC: 1, SP: 2 } as const;
export function bootContextReg(set: number, index: number): number {
  return ((set & 0xff) << 8) | (index & 0xff);
}
export const bootContextSet = (reg: number): number => (reg >>> 8) & 0xff;
export const bootContextIndex = (reg: number): number => reg & 0xff;

/** fallocate modes. Source: Linux include/uapi/linux/falloc.h */
export const FallocFlag = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;
