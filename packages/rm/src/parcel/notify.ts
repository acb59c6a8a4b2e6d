import { MemAcceptFlag, MemNotifyFlag, RmError, VmState } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check, errorOf } from "../errors.ts";
import type { Request, Vm } from "../vm/vm.ts";
import { acceptParcel } from "./accept.ts";
import type { Parcel } from "./parcel.ts";

const VALID: readonly number[] = Object.values(MemNotifyFlag);

/** MEM_NOTIFY: pass word about a parcel on. Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_notify */
export function notifyRequest(rm: RmContext, vm: Vm, request: Request<"MEM_NOTIFY">): void {
  const { handle, flags, memInfoTag, vmids } = request;
  check(VALID.includes(flags), RmError.ARGUMENT_INVALID, "exactly one flag");
  const parcel = rm.parcels.find(handle);
  if (flags === MemNotifyFlag.SHARED || flags === MemNotifyFlag.RECALL) {
    check(parcel.owner === vm.vmid, RmError.DENIED, "not the owner");
    check(vmids !== undefined, RmError.MSG_INVALID, "no list of VMs");
    check(vmids.length > 0, RmError.ARGUMENT_INVALID, "no VM");
    for (const { vmid } of vmids) {
      check(
        parcel.acl.some((entry) => entry.vmid === vmid),
        RmError.ARGUMENT_INVALID,
        "not in the ACL",
      );
      check(rm.vms.get(vmid) !== undefined, RmError.VMID_INVALID, "unknown VM");
    }
    checkTag(parcel, memInfoTag);
    for (const { vmid } of vmids) {
      const target = rm.vms.get(vmid) as Vm;
      if (flags === MemNotifyFlag.RECALL) rm.notify(target, "MEM_RECALL", { handle, memInfoTag });
      else if (target.state === VmState.READY) acceptFor(rm, vm, target, parcel, memInfoTag);
      else notifyShared(rm, target, parcel, memInfoTag);
    }
    return;
  }
  check(
    parcel.acl.some((entry) => entry.vmid === vm.vmid),
    RmError.HANDLE_INVALID,
    "not in the ACL",
  );
  checkTag(parcel, memInfoTag);
  const accepted = parcel.acceptances.has(vm.vmid);
  const owner = rm.vms.get(parcel.owner);
  if (flags === MemNotifyFlag.RELEASED) {
    check(!accepted, RmError.MEM_INUSE, "still accepted");
    rm.notify(owner, "MEM_RELEASED", { handle, vmid: vm.vmid, memInfoTag });
  } else {
    check(accepted, RmError.MEM_RELEASED, "not accepted");
    rm.notify(owner, "MEM_ACCEPTED", { handle, vmid: vm.vmid, memInfoTag });
  }
}

function checkTag(parcel: Parcel, tag: number): void {
  check(parcel.tag === undefined || parcel.tag === tag, RmError.ARGUMENT_INVALID, "another mem-info tag");
  parcel.tag = tag;
}

function notifyShared(rm: RmContext, target: Vm, parcel: Parcel, memInfoTag: number): void {
  const { handle, memType, transType, owner, label, acl, attrs } = parcel;
  const flags = parcel.sanitizeOnCreate ? 1 : 0;
  const sizes = parcel.regions.slice(0, 512).map(({ size }) => BigInt(size));
  rm.notify(target, "MEM_SHARED", { handle, memType, transType, flags, owner, label, memInfoTag, acl, sizes, attrs });
}

/** A VM that has not started cannot answer: the RM accepts for it. */
function acceptFor(rm: RmContext, owner: Vm, target: Vm, parcel: Parcel, memInfoTag: number): void {
  const { handle, memType, transType, label, acl, attrs } = parcel;
  try {
    acceptParcel(rm, target, {
      handle,
      memType,
      transType,
      flags: MemAcceptFlag.DONE,
      label,
      acl,
      attrs,
      mapVmid: 0,
      sgl: [],
    });
    rm.notify(owner, "MEM_ACCEPTED", { handle, vmid: target.vmid, memInfoTag });
  } catch (thrown) {
    errorOf(thrown);
    rm.notify(owner, "MEM_RELEASED", { handle, vmid: target.vmid, memInfoTag });
  }
}
