import { counted, list, listOf, nested, optional, pad, struct, tail, u8, u16, u32, u64 } from "../schema/index.ts";
import { VM_CRASH_MSG_MAX } from "./constants.ts";
import { RmVmidEntry } from "./messages-memory.ts";

/**
 * VM management messages.
 * Source: gunyah-resource-manager include/{vm_mgnt_message,vm_creation_message,vm_resource_msg,vm_console_message,
 * irq_message,vm_ipa_message,vm_firmware_message}.h; Linux series v17, drivers/virt/gunyah/rsc_mgr_rpc.c
 */
export const Empty = struct("empty", []);
/** Most requests name one VM. `reserved` is checked by VM_INIT alone. */
export const VmidRequest = struct("vm", [u16("vmid"), u16("reserved")]);

/** Only when a dynamic VMID was asked for. */
export const VmAllocateReply = struct("vm_allocated", [optional(nested("allocated", RmVmidEntry))]);
export const VmStopRequest = struct("vm_stop", [u16("vmid"), u8("flags"), pad(1), u32("reason")]);
export const VmConfigImageRequest = struct("vm_config_image", [
  u16("vmid"),
  u16("authType"),
  u32("memHandle"),
  u64("imageOffset"),
  u64("imageSize"),
  u64("dtbOffset"),
  u64("dtbSize"),
]);
export const VmAuthParameter = struct("auth", [u32("type"), u32("value")]);
export const VmAuthImageRequest = struct("vm_auth_image", [
  u16("vmid"),
  list("parameters", VmAuthParameter, { count: "u16 bare" }),
]);
export const VmIdEntry = struct("id", [u8("type"), pad(1), counted("data", "u16", 4)]);
export const VmGetIdReply = struct("vm_ids", [list("ids", VmIdEntry, { count: "u32" })]);
export const VmLookupRequest = struct("vm_lookup", [tail("text")]);
/** VM_LOOKUP_* and VM_GET_PEERS. */
export const VmLookupReply = struct("vm_found", [listOf("vmids", u32("vmid"), { count: "u32" })]);
export const VmOwnerReply = struct("vm_owner", [u32("vmid")]);
export const VmStateReply = struct("vm_state", [u8("vmState"), u8("osState"), u16("appState")]);
export const VmHostTypeReply = struct("vm_host_type", [u32("type")]);
export const VmCrashMessage = struct("crash_msg", [tail("text", VM_CRASH_MSG_MAX)]);
export const VmSetTimeBaseRequest = struct("vm_set_time_base", [
  u16("vmid"),
  pad(2),
  u64("timeBaseNs"),
  u64("sysTimerReference"),
]);
/** The hypervisor's error, when that is what failed. */
export const VmSetTimeBaseReply = struct("vm_time_base", [optional(u32("hypervisorError"))]);
export const VmSetFirmwareMemRequest = struct("vm_set_firmware_mem", [
  u16("vmid"),
  pad(2),
  u32("memHandle"),
  u64("offset"),
  u64("size"),
]);
export const VmSetBootContextRequest = struct("vm_set_boot_context", [
  u16("vmid"),
  u8("registerSet"),
  u8("registerIndex"),
  pad(4),
  u64("value"),
]);
export const VmIpaRange = struct("range", [u64("base"), u64("size")]);
export const VmSetDemandPagingRequest = struct("vm_set_demand_paging", [
  u16("vmid"),
  pad(2),
  list("ranges", VmIpaRange, { count: "u32" }),
]);
export const VmSetAddressLayoutRequest = struct("vm_set_address_layout", [
  u16("vmid"),
  pad(2),
  u32("rangeId"),
  u64("base"),
  u64("size"),
]);
export const VmSetStatusRequest = struct("vm_set_status", [u8("vmState"), u8("osState"), u16("appState")]);
export const VmExitRequest = struct("vm_exit", [u16("flags"), u8("code"), pad(1)]);

/** 44 bytes. Linux: struct gunyah_rm_hyp_resource */
export const HypResource = struct("resource", [
  u8("type"),
  pad(1),
  u16("partnerVmid"),
  u32("handle"),
  u32("label"),
  u64("capId"),
  u32("virqHandle"),
  u32("virq"),
  u64("base"),
  u64("size"),
]);
export const VmHypResourcesReply = struct("hyp_resources", [list("resources", HypResource, { count: "u32" })]);

export const IrqLendRequest = struct("irq_lend", [u16("borrower"), pad(2), u32("virq"), u32("label")]);
export const IrqHandle = struct("irq_handle", [u32("handle")]);
export const IrqAcceptRequest = struct("irq_accept", [u32("handle"), u32("virq")]);
export const IrqAcceptReply = struct("irq_accepted", [u32("virq")]);
export const IrqNotifyRequest = struct("irq_notify", [
  u32("handle"),
  u32("flags"),
  optional(list("vmids", RmVmidEntry, { count: "u16" })),
]);
export const IrqLentNotification = struct("irq_lent", [u16("owner"), pad(2), u32("handle"), u32("label")]);

/** CONSOLE_WRITE names the target, CONSOLE_CHARS the sender. */
export const ConsoleChars = struct("console", [u16("vmid"), counted("chars", "u16")]);

export const IpaFixedEntry = struct("fixed", [u64("base"), u64("size")]);
export const IpaAllocEntry = struct("alloc", [u64("regionBase"), u64("regionSize"), u64("size"), u64("alignment")]);
/** The list behind byte 12 is a u32 count with `IpaFixedEntry` (type 0) or `IpaAllocEntry` (type 1) entries. */
export const IpaReserveRequest = struct("ipa_reserve", [
  u8("type"),
  pad(3),
  u32("genericConstraints"),
  u32("platformConstraints"),
  tail("list"),
]);
export const IpaFixedList = struct("ipa_fixed", [list("entries", IpaFixedEntry, { count: "u32" })]);
export const IpaAllocList = struct("ipa_alloc", [list("entries", IpaAllocEntry, { count: "u32" })]);
/** What was reserved, for an alloc list; nothing for a fixed list. */
export const IpaReserveReply = struct("ipa_reserved", [optional(list("entries", IpaFixedEntry, { count: "u32" }))]);
export const FwSetVmFirmwareRequest = struct("fw_set_vm_firmware", [
  u16("authType"),
  pad(2),
  u32("memHandle"),
  u64("offset"),
  u64("size"),
]);

export const VmStatusNotification = struct("vm_status", [
  u16("vmid"),
  pad(2),
  u8("vmState"),
  u8("osState"),
  u16("appState"),
]);
export const VmExitedNotification = struct("vm_exited", [u16("vmid"), u16("exitType"), counted("reason", "u32")]);
export const VmShutdownNotification = struct("vm_shutdown", [u32("reason")]);
