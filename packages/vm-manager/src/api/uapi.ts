/**
 * Numbers of include/uapi/linux/gunyah.h that the typed API and the driver share.
 * Source: Linux series v17, include/uapi/linux/gunyah.h; v14 for SET_USER_MEM_REGION.
 */
const iow = (nr: number, size: number): number => 0x4000_4700 + size * 0x1_0000 + nr;

export const GunyahIoctl = {
  CREATE_VM: 0x4700,
  VM_SET_USER_MEM_REGION: iow(1, 32),
  VM_SET_DTB_CONFIG: iow(2, 16),
  VM_START: 0x4703,
  VM_ADD_FUNCTION: iow(4, 16),
  VCPU_RUN: 0x4705,
  VCPU_MMAP_SIZE: 0x4706,
  VM_REMOVE_FUNCTION: iow(7, 16),
  CREATE_GUEST_MEM: iow(8, 64),
  VM_MAP_MEM: iow(9, 32),
  VM_SET_BOOT_CONTEXT: iow(10, 16),
} as const;
export type GunyahIoctl = (typeof GunyahIoctl)[keyof typeof GunyahIoctl];

export const GuestMemoryFlag = { CLOEXEC: 1, ALLOW_HUGEPAGE: 2 } as const;
export const FnType = { VCPU: 1, IRQFD: 2, IOEVENTFD: 3 } as const;
export const IrqfdFlag = { LEVEL: 1 } as const;
export const IoeventfdFlag = { DATAMATCH: 1 } as const;
/** fallocate(2) modes. */
export const FallocateMode = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const;

/** Numbering of the v15-v17 series. */
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

export function mapMemFlags(access: "lend" | "share" | "default", permissions: string): number {
  return (
    (access === "lend" ? MapMemFlag.FORCE_LEND : access === "share" ? MapMemFlag.FORCE_SHARE : 0) |
    (permissions.includes("r") ? MapMemFlag.ALLOW_READ : 0) |
    (permissions.includes("w") ? MapMemFlag.ALLOW_WRITE : 0) |
    (permissions.includes("x") ? MapMemFlag.ALLOW_EXEC : 0)
  );
}

/** exit_reason of the run page; INTERRUPTED is the typed API's name for EINTR. */
export const ExitReason = { INTERRUPTED: -1, UNKNOWN: 0, MMIO: 1, STATUS: 2, PAGE_FAULT: 3 } as const;
export type ExitReason = (typeof ExitReason)[keyof typeof ExitReason];

export const VmStatus = { LOAD_FAILED: 1, EXITED: 2, CRASHED: 3 } as const;
export type VmStatus = (typeof VmStatus)[keyof typeof VmStatus];

/** exit_info.type: RM's exit types. */
export const VmExitType = {
  VM_EXIT: 0,
  PSCI_SYSTEM_OFF: 1,
  PSCI_SYSTEM_RESET: 2,
  PSCI_SYSTEM_RESET2: 3,
  WATCHDOG: 4,
  SOFTWARE_ERROR: 5,
  ASYNC_EXT_ABORT: 6,
  FORCE_STOPPED: 7,
} as const;
export type VmExitType = (typeof VmExitType)[keyof typeof VmExitType];

export const ResumeAction = { HANDLED: 0, FAULT: 1, RETRY: 2 } as const;
export type ResumeAction = (typeof ResumeAction)[keyof typeof ResumeAction];

/** Offsets in the run page. */
export const RUN_PAGE = {
  IMMEDIATE_EXIT: 0,
  EXIT_REASON_CODE: 8,
  ADDRESS: 16,
  MMIO_DATA: 24,
  MMIO_LENGTH: 32,
  MMIO_IS_WRITE: 36,
  MMIO_RESUME: 37,
  STATUS: 16,
  EXIT_TYPE: 20,
  EXIT_REASON_SIZE: 24,
  EXIT_REASON: 28,
  FAULT_ATTEMPT: 24,
  FAULT_RESUME: 28,
} as const;

/** Register word of SET_BOOT_CONTEXT: set in bits 15:8 (X 0, PC 1, SP 2), index in 7:0. */
export function bootRegister(name: string): number {
  if (name === "PC") return 0x100;
  if (name === "SP_EL0") return 0x200;
  if (name === "SP_EL1") return 0x201;
  return Number(name.slice(1)) & 0xff;
}
