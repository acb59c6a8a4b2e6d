import { list, listOf, optional, pad, struct, taggedList, u8, u16, u32, u64 } from "../schema/index.ts";
import { RM_LIST_MAX } from "./constants.ts";

/**
 * Memory parcel messages.
 * Source: gunyah-resource-manager include/memparcel_msg.h, src/memparcel/memparcel.c
 *
 * Lists are not limited to 512 entries here: how many are too many, and with which error, is the RM's answer
 * (NORESOURCE), not a property of the format.
 */
export const RmAclEntry = struct("acl", [u16("vmid"), u8("rights"), pad(1)]);
export const RmSglEntry = struct("sgl", [u64("address"), u64("size")]);
export const RmAttrEntry = struct("attr", [u16("attr"), u16("vmid")]);
export const RmVmidEntry = struct("vm", [u16("vmid"), pad(2)]);

const acl = list("acl", RmAclEntry, { count: "u16" });
const sgl = list("sgl", RmSglEntry, { count: "u16" });
const attrs = list("attrs", RmAttrEntry, { count: "u16" });

export const MemCreateRequest = struct("mem_create", [
  u8("memType"),
  pad(1),
  u8("flags"),
  pad(1),
  u32("label"),
  acl,
  sgl,
  attrs,
]);
export const MemCreateReply = struct("mem_handle", [u32("handle")]);
export const MemAppendRequest = struct("mem_append", [u32("handle"), u8("flags"), pad(3), sgl]);
export const MemAcceptRequest = struct("mem_accept", [
  u32("handle"),
  u8("memType"),
  u8("transType"),
  u8("flags"),
  pad(1),
  u32("label"),
  acl,
  /** The tag is map_vmid. */
  taggedList("sgl", RmSglEntry),
  attrs,
]);
/** Present when the request's SGL was empty. The tag's low byte is the flags field (MEM_ACCEPT_INCOMPLETE). */
export const MemAcceptReply = struct("mem_accept_reply", [optional(taggedList("sgl", RmSglEntry))]);
export const MemReleaseRequest = struct("mem_release", [u32("handle"), u8("flags"), pad(3)]);
export const MemNotifyRequest = struct("mem_notify", [
  u32("handle"),
  u8("flags"),
  pad(3),
  u32("memInfoTag"),
  optional(list("vmids", RmVmidEntry, { count: "u16" })),
]);
export const MemLookupSglRequest = struct("mem_qcom_lookup_sgl", [
  u8("memType"),
  pad(3),
  u32("label"),
  acl,
  sgl,
  optional(attrs),
]);

export const MemSharedNotification = struct("mem_shared", [
  u32("handle"),
  u8("memType"),
  u8("transType"),
  u8("flags"),
  pad(1),
  u16("owner"),
  pad(2),
  u32("label"),
  u32("memInfoTag"),
  acl,
  listOf("sizes", u64("size"), { count: "u16", max: RM_LIST_MAX }),
  attrs,
]);
/** MEM_RELEASED and MEM_ACCEPTED. */
export const MemAnswerNotification = struct("mem_answer", [u32("handle"), u16("vmid"), pad(2), u32("memInfoTag")]);
export const MemRecallNotification = struct("mem_recall", [u32("handle"), u32("memInfoTag")]);
