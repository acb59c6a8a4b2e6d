/**
 * Numbers of the RM protocol that are not message layouts.
 * Source: gunyah-resource-manager include/{vm_mgnt,memparcel,vm_creation_message}.h, src/vm_mgnt/vm_mgnt.c
 */
export const RmVmid = {
  HYP: 0,
  HLOS: 3,
  /** First of 63 dynamic VMIDs. */
  DYNAMIC_FIRST: 0x80,
  DYNAMIC_LAST: 0xbe,
  RM: 255,
  ANY: 0xfffe,
  PEER_DEFAULT: 0xffff,
} as const;
/** Linux: no VMID yet. */
export const VMID_INVALID = 0xffff;

export const VmState = {
  NONE: 0,
  INIT: 1,
  READY: 2,
  RUNNING: 3,
  PAUSED: 4,
  LOAD: 5,
  AUTH: 6,
  INIT_FAILED: 8,
  EXITED: 9,
  RESETTING: 10,
  RESET: 11,
} as const;
export type VmState = (typeof VmState)[keyof typeof VmState];
const vmStateNames = new Map<number, string>(Object.entries(VmState).map(([name, value]) => [value, name]));
export function vmStateName(state: number): string {
  return vmStateNames.get(state) ?? String(state);
}

export const OsState = {
  NONE: 0,
  EARLY_BOOT: 1,
  BOOT: 2,
  INIT: 3,
  RUN: 4,
  SHUTDOWN: 5,
  HALTED: 6,
  CRASHED: 7,
} as const;
export type OsState = (typeof OsState)[keyof typeof OsState];

export const VmAuth = { NONE: 0, PLATFORM: 1, ANDROID: 2 } as const;
export type VmAuth = (typeof VmAuth)[keyof typeof VmAuth];

/** Exit type of VM_EXITED. */
export const VmExitType = {
  VM_EXIT: 0,
  PLATFORM_OFF: 1,
  PLATFORM_RESET: 2,
  PSCI_SYSTEM_RESET2: 3,
  WATCHDOG_BITE: 4,
  SOFTWARE_ERROR: 5,
  ASYNC_HW_ERROR: 6,
  VM_STOP_FORCED: 7,
} as const;
export type VmExitType = (typeof VmExitType)[keyof typeof VmExitType];
/** Flags of the first reason word of VM_EXITED and of VM_EXIT. */
export const VmExitFlag = { RESTART: 1, SMC64: 0x8000 } as const;
export const VmExitCode = { NORMAL: 0, SOFTWARE_ERROR: 1, UNKNOWN: 2, BUS_ERROR: 3, DEVICE_ERROR: 4 } as const;
export const VmStopFlag = { FORCE: 1 } as const;
/** Reason that Linux gives. */
export const VM_STOP_REASON_LINUX = 3;
export const VM_HOST_TYPE = 0x0100_0164;
export const VM_CRASH_MSG_MAX = 192;

export const MemType = { NORMAL: 0, IO: 1 } as const;
export const TransType = { DONATE: 0, LEND: 1, SHARE: 2 } as const;
export const MemAttr = { NORMAL: 0, DEVICE: 1, UNCACHED: 2, CACHED: 3 } as const;
export const MEM_HANDLE_INVALID = 0xffff_ffff;
/** Entries that any list of a message may have. */
export const RM_LIST_MAX = 512;
export const RM_MAX_PARCELS = 64;
/** First SGL address or size that is refused. */
export const RM_ADDRESS_LIMIT = 2n ** 44n;

/** Flags of MEM_LEND, MEM_SHARE and MEM_DONATE. */
export const MemCreateFlag = { SANITIZE: 1, APPEND: 2 } as const;
export const MemAppendFlag = { END: 1 } as const;
export const MemReleaseFlag = { SANITIZE: 1 } as const;
export const MemAcceptFlag = {
  VALIDATE_SANITIZED: 1,
  VALIDATE_ACL_ATTR: 2,
  VALIDATE_LABEL: 4,
  MAP_OTHER: 8,
  MAP_CONTIGUOUS: 16,
  SANITIZE_ON_RELEASE: 32,
  DONE: 128,
} as const;
export const MemNotifyFlag = { SHARED: 1, RELEASED: 2, ACCEPTED: 4, RECALL: 8 } as const;
/** Flag of a MEM_ACCEPT reply that lists addresses. */
export const MEM_ACCEPT_INCOMPLETE = 1;
/** Flag of MEM_SHARED. */
export const MEM_SHARED_SANITIZED = 1;

export const IrqNotifyFlag = { LENT: 1, RELEASED: 2, ACCEPTED: 4 } as const;
export const VIRQ_ANY = 0xffff_ffff;

/** Type of a VM_GET_HYP_RESOURCES entry. */
export const HypResourceType = {
  DOORBELL_SRC: 0,
  DOORBELL: 1,
  MSG_QUEUE_SEND: 2,
  MSG_QUEUE_RECV: 3,
  VIRTUAL_CPU: 4,
  VIRTUAL_PM: 5,
  VIRTIO_MMIO: 6,
  VRTC: 7,
  WATCHDOG: 8,
  /** Linux only. */
  MEM_EXTENT: 9,
  /** Linux only. */
  ADDR_SPACE: 10,
} as const;
export type HypResourceType = (typeof HypResourceType)[keyof typeof HypResourceType];
/** The names that Linux gives them. Source: Linux series v17, include/linux/gunyah.h, enum gunyah_resource_type */
export const GunyahResourceType = {
  BELL_TX: 0,
  BELL_RX: 1,
  MSGQ_TX: 2,
  MSGQ_RX: 3,
  VCPU: 4,
  MEM_EXTENT: 9,
  ADDR_SPACE: 10,
} as const;

export const VmAddressRange = { IMAGE: 0, FIRMWARE: 1 } as const;
export const IpaReserveType = { FIXED: 0, ALLOC: 1 } as const;
export const VmIdType = { GUID: 0, URI: 1, NAME: 2, SIGN_AUTH: 3 } as const;

/** Interrupt numbers that Linux can map: 32-1019 as SPI, 4096-5119 as extended SPI. */
export function virqToSpecifier(virq: number): { readonly type: 0 | 2; readonly number: number } | undefined {
  if (virq >= 32 && virq <= 1019) return { type: 0, number: virq - 32 };
  if (virq >= 4096 && virq <= 5119) return { type: 2, number: virq - 4096 };
  return undefined;
}
