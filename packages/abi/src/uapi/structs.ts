import { bytes, pad, s32, struct, u8, u16, u32, u64 } from "../schema/index.ts";

/**
 * Structures that ioctls of /dev/gunyah take.
 * Source: Linux series v14-v17, include/uapi/linux/gunyah.h
 */
export const CreateMemArgs = struct("gunyah_create_mem_args", [u64("flags"), u64("size"), bytes("reserved", 48)]);
export const MapMemArgs = struct("gunyah_map_mem_args", [
  u64("guestAddr"),
  u32("flags"),
  u32("guestMemFd"),
  u64("offset"),
  u64("size"),
]);
/** v14 and Android. */
export const UserspaceMemoryRegion = struct("gh_userspace_memory_region", [
  u32("label"),
  u32("flags"),
  u64("guestPhysAddr"),
  u64("memorySize"),
  u64("userspaceAddr"),
]);
export const VmDtbConfig = struct("gunyah_vm_dtb_config", [u64("guestPhysAddr"), u64("size")]);
export const FnDesc = struct("gunyah_fn_desc", [u32("type"), u32("argSize"), u64("arg")]);
export const FnVcpuArg = struct("gunyah_fn_vcpu_arg", [u32("id")]);
export const FnIrqfdArg = struct("gunyah_fn_irqfd_arg", [u32("fd"), u32("label"), u32("flags"), u32("padding")]);
export const FnIoeventfdArg = struct("gunyah_fn_ioeventfd_arg", [
  u64("datamatch"),
  u64("addr"),
  u32("len"),
  s32("fd"),
  u32("flags"),
  u32("padding"),
]);
export const VmBootContext = struct("gunyah_vm_boot_context", [u32("reg"), u32("reserved"), u64("value")]);
export const VmExitInfo = struct("gunyah_vm_exit_info", [
  u16("type"),
  u16("padding"),
  u32("reasonSize"),
  bytes("reason", 8),
]);
/** Android: VM_SET_FW_CONFIG, VM_RECLAIM_REGION. */
export const AndroidVmRegion = struct("gunyah_vm_region", [u64("guestPhysAddr"), u64("size")]);
/** Android: VM_SET_AUTH_TYPE. */
export const AndroidVmAuth = struct("gunyah_auth_desc", [u32("type"), u32("argSize"), u64("arg")]);

/** The three shapes of the vCPU run page, 40 bytes each. */
const head = [u8("immediateExit"), pad(7), u32("exitReason"), pad(4)] as const;
export const VcpuRunMmio = struct("gunyah_vcpu_run.mmio", [
  ...head,
  u64("physAddr"),
  bytes("data", 8),
  u32("len"),
  u8("isWrite"),
  u8("resumeAction"),
  pad(2),
]);
export const VcpuRunStatus = struct("gunyah_vcpu_run.status", [
  ...head,
  u32("status"),
  u16("exitType"),
  pad(2),
  u32("reasonSize"),
  bytes("reason", 8),
  pad(4),
]);
export const VcpuRunPageFault = struct("gunyah_vcpu_run.page_fault", [
  ...head,
  u64("physAddr"),
  s32("attempt"),
  u8("resumeAction"),
  pad(11),
]);
