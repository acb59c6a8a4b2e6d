import { RmError } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check } from "../errors.ts";
import type { Request, Vm } from "../vm/vm.ts";
import type { Parcel } from "./parcel.ts";

/**
 * MEM_QCOM_LOOKUP_SGL: the caller's parcel with exactly this type, label, ACL and list of regions.
 * Errors: LOOKUP_FAILED
 * Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_sgl_do_lookup
 */
export function lookupSgl(rm: RmContext, caller: Vm, request: Request<"MEM_QCOM_LOOKUP_SGL">): Parcel {
  const found = rm.parcels.ownedBy(caller.vmid).find((parcel) => {
    if (parcel.memType !== request.memType || parcel.label !== request.label) return false;
    const sameAcl =
      parcel.acl.length === request.acl.length &&
      parcel.acl.every(({ vmid, rights }, i) => request.acl[i]?.vmid === vmid && request.acl[i]?.rights === rights);
    return sameAcl && sameRegions(parcel, request.sgl);
  });
  check(found !== undefined, RmError.LOOKUP_FAILED, "no such parcel");
  return found;
}

/** The request names the owner's addresses as they were given; regions may have been split since. */
function sameRegions(parcel: Parcel, sgl: Request<"MEM_QCOM_LOOKUP_SGL">["sgl"]): boolean {
  let next = 0;
  for (const { address, size } of sgl) {
    let at = Number(address);
    const end = at + Number(size);
    while (at < end) {
      const region = parcel.regions[next++];
      if (region === undefined || region.ownerIpa !== at || region.size > end - at) return false;
      at += region.size;
    }
  }
  return next === parcel.regions.length;
}
