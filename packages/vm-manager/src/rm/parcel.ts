import { LinuxErrno, MEM_HANDLE_INVALID, MemAppendFlag, MemCreateFlag, MemType, RM_LIST_MAX } from "@gunyah-ts/abi";
import type { Errno, LayerError, MemParcel } from "@gunyah-ts/kernel";
import type { PlatformOps } from "../gunyah/platform.ts";
import type { RmClient } from "./rm-client.ts";

/** A parcel on its way: RM's handle is filled in. */
export interface Parcel extends MemParcel {
  handle: number;
}

interface Outcome {
  readonly errno: Errno;
  readonly layers: readonly LayerError[];
}
const FINE: Outcome = { errno: 0, layers: [] };
const refused = (errno: Errno, detail: string): Outcome => ({
  errno,
  layers: [{ layer: "platform", value: errno, code: "REFUSED", detail }],
});

/**
 * MEM_LEND for one ACL entry, MEM_SHARE for more, in chunks of 512 memory entries.
 * Source: Linux series v17, drivers/virt/gunyah/rsc_mgr_rpc.c, gunyah_rm_mem_share
 */
export async function shareParcel(rm: RmClient, platform: PlatformOps, parcel: Parcel): Promise<Outcome> {
  const { acl, entries } = parcel;
  if (acl.length === 0 || acl.length > 255 || entries.length === 0 || parcel.handle !== MEM_HANDLE_INVALID)
    return { errno: -LinuxErrno.EINVAL, layers: [] };
  const platformErrno = platform.preMemShare(parcel);
  if (platformErrno !== 0) return refused(platformErrno, "pre_mem_share");

  const sgl = entries.map((e) => ({ address: BigInt(e.address), size: BigInt(e.size) }));
  const request = {
    memType: MemType.NORMAL,
    flags: sgl.length > RM_LIST_MAX ? MemCreateFlag.APPEND : 0,
    label: parcel.label,
    acl: acl.map((e) => ({ vmid: e.vmid, rights: e.permissions })),
    sgl: sgl.slice(0, RM_LIST_MAX),
    attrs: [],
  };
  const created = await rm.call(acl.length === 1 ? "MEM_LEND" : "MEM_SHARE", request);
  if (created.errno !== 0 || created.value === undefined) {
    platform.postMemReclaim(parcel);
    return created;
  }
  parcel.handle = created.value.handle;
  for (let at = RM_LIST_MAX; at < sgl.length; at += RM_LIST_MAX) {
    const last = at + RM_LIST_MAX >= sgl.length;
    const appended = await rm.call("MEM_APPEND", {
      handle: parcel.handle,
      flags: last ? MemAppendFlag.END : 0,
      sgl: sgl.slice(at, at + RM_LIST_MAX),
    });
    if (appended.errno !== 0) {
      await reclaimParcel(rm, platform, parcel);
      parcel.handle = MEM_HANDLE_INVALID;
      return appended;
    }
  }
  return FINE;
}

/** MEM_RECLAIM, then the platform. Source: gunyah_rm_mem_reclaim */
export async function reclaimParcel(rm: RmClient, platform: PlatformOps, parcel: Parcel): Promise<Outcome> {
  const reclaimed = await rm.call("MEM_RECLAIM", { handle: parcel.handle, flags: 0 });
  if (reclaimed.errno !== 0) return reclaimed;
  const platformErrno = platform.postMemReclaim(parcel);
  if (platformErrno !== 0) return refused(platformErrno, "post_mem_reclaim");
  parcel.handle = MEM_HANDLE_INVALID;
  return FINE;
}
