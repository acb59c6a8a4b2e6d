import { bitfield } from "./bitfield.ts";

/**
 * Memory vocabulary of the hypercall API.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Memory Extent Management; hyp/interfaces/{pgtable,memextent}/*.tc;
 * the PRIVATE and VMMIO map flags and the PROTECTED donations from Linux series v15, include/linux/gunyah.h.
 */

/** Access rights of a page: read, write, execute. */
export const Access = { NONE: 0, X: 1, W: 2, R: 4, RX: 5, RW: 6, RWX: 7 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Stage-2 memory type (map_attrs 23:16): the MemAttr encoding of a stage-2 descriptor. */
export const VmMemtype = {
  DEVICE_NGNRNE: 0,
  DEVICE_NGNRE: 1,
  DEVICE_NGRE: 2,
  DEVICE_GRE: 3,
  NORMAL_NC: 5,
  NORMAL_ONC_IWT: 6,
  NORMAL_ONC_IWB: 7,
  NORMAL_OWT_INC: 9,
  NORMAL_WT: 10,
  NORMAL_OWT_IWB: 11,
  NORMAL_OWB_INC: 13,
  NORMAL_OWB_IWT: 14,
  NORMAL_WB: 15,
} as const;
export type VmMemtype = (typeof VmMemtype)[keyof typeof VmMemtype];

/** Memory type that an extent allows. */
export const MemextentMemtype = { ANY: 0, DEVICE: 1, UNCACHED: 2, CACHED: 3 } as const;
export type MemextentMemtype = (typeof MemextentMemtype)[keyof typeof MemextentMemtype];

export const MemextentType = { BASIC: 0, SPARSE: 1 } as const;
export type MemextentType = (typeof MemextentType)[keyof typeof MemextentType];

export const MemextentModifyOp = {
  UNMAP_ALL: 0,
  ZERO_RANGE: 1,
  CACHE_CLEAN_RANGE: 2,
  CACHE_FLUSH_RANGE: 3,
  SYNC_ALL: 255,
} as const;
export type MemextentModifyOp = (typeof MemextentModifyOp)[keyof typeof MemextentModifyOp];

/** The PROTECTED forms came with Linux v15; the December 2023 hypervisor refuses them. */
export const MemextentDonateType = {
  TO_CHILD: 0,
  TO_PARENT: 1,
  TO_SIBLING: 2,
  TO_PROTECTED: 3,
  FROM_PROTECTED: 4,
} as const;
export type MemextentDonateType = (typeof MemextentDonateType)[keyof typeof MemextentDonateType];

/**
 * Operation of addrspace_configure_vmmio. The DEMAND_PAGED pair is ours: Linux v15 knows page-fault exits
 * (vcpu_run state 7) and the RM message that announces the ranges, but no source tells how the RM passes them on.
 */
export const VmmioOp = { ADD: 0, REMOVE: 1, ADD_DEMAND_PAGED: 2, REMOVE_DEMAND_PAGED: 3 } as const;
export type VmmioOp = (typeof VmmioOp)[keyof typeof VmmioOp];

/** addrspace_map in4 (x4 in SMCCC form). */
export const MapAttrs = bitfield("map_attrs", { userAccess: [2, 0], kernelAccess: [6, 4], memtype: [23, 16] });
/** addrspace_update_access in3. */
export const AccessAttrs = bitfield("access_attrs", { userAccess: [2, 0], kernelAccess: [6, 4] });
/** memextent_configure and memextent_configure_derive. */
export const MemextentAttrs = bitfield("memextent_attrs", {
  access: [2, 0],
  memtype: [9, 8],
  type: [17, 16],
  append: [31, 31],
});
/** Options of addrspace_map, addrspace_unmap and addrspace_update_access. */
export const MapFlags = bitfield("map_flags", { partial: [0, 0], private: [1, 1], vmmio: [2, 2], noSync: [31, 31] });
/** The single bits of `MapFlags`, for callers that combine them themselves. */
export const MapFlag = { PARTIAL: 1, PRIVATE: 2, VMMIO: 4, NO_SYNC: 0x80000000 } as const;
/** memextent_modify in1. */
export const ModifyFlags = bitfield("memextent_modify_flags", { op: [7, 0], noSync: [31, 31] });
/** The parts of `ModifyFlags` as masks. */
export const ModifyFlag = { OP: 0xff, NO_SYNC: 0x80000000 } as const;
/** memextent_donate in0. */
export const DonateOptions = bitfield("memextent_donate_options", { type: [7, 0], noSync: [31, 31] });

/** The parts of `DonateOptions` as masks. */
export const DonateOption = { TYPE: 0xff, NO_SYNC: 0x80000000 } as const;

/**
 * Labels of a VM's memory extents in the list of hypervisor resources (type MEM_EXTENT).
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.h
 */
export const VmExtentLabel = { GUEST_PRIVATE: 0, HOST_SHARED: 1, HOST_PRIVATE: 2, GUEST_SHARED: 3 } as const;
export type VmExtentLabel = (typeof VmExtentLabel)[keyof typeof VmExtentLabel];
