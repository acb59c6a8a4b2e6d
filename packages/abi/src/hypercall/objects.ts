/**
 * Objects that capabilities refer to, their states and rights.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Capability Rights; hyp/interfaces/<module>/<module>.tc
 */
export const ObjectType = [
  "partition",
  "cspace",
  "addrspace",
  "memextent",
  "thread",
  "doorbell",
  "msgqueue",
  "vic",
  "vpm_group",
  "hwirq",
  "virtio_mmio",
  "vrtc",
  "watchdog",
] as const;
export type ObjectType = (typeof ObjectType)[number];

export const ObjectState = { NONE: 0, INIT: 1, ACTIVE: 2, FAILED: 3, DESTROYING: 4 } as const;
export type ObjectState = (typeof ObjectState)[keyof typeof ObjectState];

/** The capability id that no space hands out. */
export const CAP_ID_INVALID = 0xffff_ffff_ffff_ffffn;

/** Right that every `configure` and `activate` needs, on any object. */
export const OBJECT_ACTIVATE = 0x8000_0000;
export const PartitionRight = { OBJECT_CREATE: 1, DONATE: 2, OBJECT_ACTIVATE } as const;
export const CspaceRight = {
  CAP_CREATE: 1,
  CAP_DELETE: 2,
  CAP_COPY: 4,
  ATTACH: 8,
  CAP_REVOKE: 0x10,
  OBJECT_ACTIVATE,
} as const;
export const AddrspaceRight = { ATTACH: 1, MAP: 2, LOOKUP: 4, ADD_VMMIO_RANGE: 8, OBJECT_ACTIVATE } as const;
export const MemextentRight = { MAP: 1, DERIVE: 2, ATTACH: 4, LOOKUP: 8, DONATE: 0x10, OBJECT_ACTIVATE } as const;
export const ThreadRight = {
  POWER: 1,
  AFFINITY: 2,
  PRIORITY: 4,
  TIMESLICE: 8,
  YIELD_TO: 0x10,
  BIND_VIRQ: 0x20,
  STATE: 0x40,
  LIFECYCLE: 0x80,
  WRITE_CONTEXT: 0x100,
  DISABLE: 0x200,
  OBJECT_ACTIVATE,
} as const;
export const DoorbellRight = { SEND: 1, RECEIVE: 2, BIND: 4, OBJECT_ACTIVATE } as const;
export const MsgqueueRight = { SEND: 1, RECEIVE: 2, BIND_SEND: 4, BIND_RECEIVE: 8, OBJECT_ACTIVATE } as const;
export const VicRight = { BIND_SOURCE: 1, ATTACH_VCPU: 2, ATTACH_VDEVICE: 4, OBJECT_ACTIVATE } as const;
/** The API document gives BIND_VIC the value 1; hypervisor and Resource Manager sources use 2. */
export const HwirqRight = { BIND_VIC: 2, OBJECT_ACTIVATE } as const;
export const VpmGroupRight = { ATTACH_VCPU: 1, BIND_VIRQ: 2, QUERY: 4, OBJECT_ACTIVATE } as const;
export const VirtioMmioRight = {
  BIND_BACKEND_VIRQ: 1,
  BIND_FRONTEND_VIRQ: 2,
  ASSERT_VIRQ: 4,
  CONFIG: 8,
  OBJECT_ACTIVATE,
} as const;
export const VrtcRight = { CONFIGURE: 1, ATTACH_ADDRSPACE: 2, SET_TIME_BASE: 4, OBJECT_ACTIVATE } as const;
export const WatchdogRight = { ATTACH_VCPU: 1, BIND_VIRQ: 2, OBJECT_ACTIVATE } as const;

/** Rights of each object type by name, for lookups and traces. */
export const ObjectRights = {
  partition: PartitionRight,
  cspace: CspaceRight,
  addrspace: AddrspaceRight,
  memextent: MemextentRight,
  thread: ThreadRight,
  doorbell: DoorbellRight,
  msgqueue: MsgqueueRight,
  vic: VicRight,
  vpm_group: VpmGroupRight,
  hwirq: HwirqRight,
  virtio_mmio: VirtioMmioRight,
  vrtc: VrtcRight,
  watchdog: WatchdogRight,
} as const satisfies Record<ObjectType, Readonly<Record<string, number>>>;

/** Every right of every object. */
export const ALL_RIGHTS = 0xffff_ffff;
