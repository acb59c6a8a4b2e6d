import {
  Access,
  MemAttr,
  MemCreateFlag,
  MemextentModifyOp,
  MemType,
  RM_ADDRESS_LIMIT,
  RM_LIST_MAX,
  RM_MAX_PARCELS,
  RmError,
  TransType,
  VmMemtype,
} from "@gunyah-ts/abi";
import { type CapId, PAGE_SIZE } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { SIBLING } from "../hypercall/index.ts";
import { attempt, type Undo } from "../undo.ts";
import type { Request, Vm, VmObjects } from "../vm/vm.ts";
import type { AclEntry, AttrEntry, Parcel, Region } from "./parcel.ts";

/**
 * MEM_LEND, MEM_SHARE, MEM_DONATE and MEM_APPEND: memory leaves its owner's extent for one made for the parcel.
 * Checks are in the order of the source, because the first that fails gives the error.
 * Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_create, memparcel_do_create
 */
export function createParcel(rm: RmContext, owner: Vm, transType: number, request: Request<"MEM_LEND">): Parcel {
  const { memType, flags, acl, sgl, attrs } = request;
  for (const list of [acl, sgl, attrs]) check(list.length <= RM_LIST_MAX, RmError.NORESOURCE, "list too long");
  const isAppending = (flags & MemCreateFlag.APPEND) !== 0;
  check(acl.length > 0 && sgl.length > 0, RmError.ARGUMENT_INVALID, "empty list");
  check(transType !== TransType.DONATE || acl.length === 1, RmError.ARGUMENT_INVALID, "donation to several");
  check(rm.parcels.ownedBy(owner.vmid).length < RM_MAX_PARCELS, RmError.DENIED, "too many parcels");
  const sanitize = (flags & MemCreateFlag.SANITIZE) !== 0;
  check(memType === MemType.NORMAL || memType === MemType.IO, RmError.ARGUMENT_INVALID, "memory type");
  check(!(sanitize && memType === MemType.IO), RmError.ARGUMENT_INVALID, "sanitize IO");
  checkAcl(rm, owner, transType, memType, acl);
  checkAttrs(transType, memType, acl, attrs);
  checkSgl(sgl);

  const source = ownExtent(owner, memType);
  const { extent, regions } = attempt((undo) => {
    const extent = rm.objects.extent();
    undo.push(() => rm.objects.destroy(extent));
    const regions = takeMemory(rm, { owner, source, extent, transType, acl, sgl }, undo);
    if (sanitize) must("zero", zero(rm, extent, regions));
    return { extent, regions };
  });
  const parcel: Parcel = {
    handle: rm.parcels.nextHandle(),
    owner: owner.vmid,
    transType,
    memType,
    label: request.label,
    sanitizeOnCreate: sanitize,
    acl,
    attrs,
    extent,
    adopter: undefined,
    regions,
    acceptances: new Map(),
    state: isAppending ? "INIT" : "SHARING",
    tag: undefined,
    locked: false,
  };
  rm.parcels.add(parcel);
  return parcel;
}

/** MEM_APPEND. @param last no more will follow */
export function appendParcel(
  rm: RmContext,
  owner: Vm,
  handle: number,
  last: boolean,
  sgl: Request<"MEM_APPEND">["sgl"],
) {
  check(sgl.length <= RM_LIST_MAX, RmError.NORESOURCE, "list too long");
  check(sgl.length > 0, RmError.ARGUMENT_INVALID, "empty list");
  const parcel = rm.parcels.find(handle);
  check(parcel.owner === owner.vmid && parcel.state === "INIT", RmError.DENIED, "not appendable");
  checkSgl(sgl);
  const source = ownExtent(owner, parcel.memType);
  const added = attempt((undo) => {
    const regions = takeMemory(rm, { ...parcel, owner, source, sgl }, undo);
    if (parcel.sanitizeOnCreate) must("zero", zero(rm, parcel.extent, regions));
    return regions;
  });
  parcel.regions.push(...added);
  if (last) parcel.state = "SHARING";
}

function checkAcl(rm: RmContext, owner: Vm, transType: number, memType: number, acl: readonly AclEntry[]): void {
  const seen = new Set<number>();
  for (const { vmid, rights } of acl) {
    check(!seen.has(vmid), RmError.ARGUMENT_INVALID, `VM ${vmid} twice in the ACL`);
    seen.add(vmid);
    check(rm.vms.get(vmid) !== undefined, RmError.ARGUMENT_INVALID, `no VM ${vmid}`);
    check(
      rights === Access.R || rights === Access.RX || rights === Access.RW || rights === Access.RWX,
      RmError.ARGUMENT_INVALID,
      "rights",
    );
    check(memType !== MemType.IO || (rights & Access.X) === 0, RmError.ARGUMENT_INVALID, "executable IO");
  }
  const full = memType === MemType.IO ? Access.RW : Access.RWX;
  if (transType === TransType.DONATE) check(acl[0]?.rights === full, RmError.DENIED, "donation without full rights");
  check(seen.has(owner.vmid) === (transType === TransType.SHARE), RmError.ARGUMENT_INVALID, "owner in the ACL");
}

function checkAttrs(transType: number, memType: number, acl: readonly AclEntry[], attrs: readonly AttrEntry[]): void {
  const seen = new Set<number>();
  for (const { attr, vmid } of attrs) {
    check(!seen.has(vmid), RmError.ARGUMENT_INVALID, `VM ${vmid} twice in the attributes`);
    seen.add(vmid);
    check(attr <= MemAttr.CACHED, RmError.ARGUMENT_INVALID, `attribute ${attr}`);
    check((memType === MemType.IO) === (attr === MemAttr.DEVICE), RmError.ARGUMENT_INVALID, "device attribute");
    check(
      transType !== TransType.DONATE || attr === defaultAttr(memType),
      RmError.ARGUMENT_INVALID,
      "donation attribute",
    );
    check(
      acl.some((entry) => entry.vmid === vmid),
      RmError.VMID_INVALID,
      `VM ${vmid} is not in the ACL`,
    );
  }
}
const defaultAttr = (memType: number): number => (memType === MemType.IO ? MemAttr.DEVICE : MemAttr.NORMAL);

function checkSgl(sgl: Request<"MEM_APPEND">["sgl"]): void {
  for (const { address, size } of sgl) {
    const fits = address < RM_ADDRESS_LIMIT && size < RM_ADDRESS_LIMIT && size > 0n;
    check(fits && address % 4096n === 0n && size % 4096n === 0n, RmError.ARGUMENT_INVALID, "region bounds");
  }
}

/** The extent that memory to lend must come from. MEM_INVALID when the VM owns none. */
function ownExtent(owner: Vm, memType: number): CapId {
  const extent = memType === MemType.NORMAL ? owner.objects?.memextent : undefined;
  check(extent !== undefined, RmError.MEM_INVALID, `VM ${owner.vmid} owns no memory of this type`);
  return extent;
}

interface Taking {
  readonly owner: Vm;
  readonly source: CapId;
  readonly extent: CapId;
  readonly transType: number;
  readonly acl: readonly AclEntry[];
  readonly sgl: Request<"MEM_APPEND">["sgl"];
}

function takeMemory(rm: RmContext, taking: Taking, undo: Undo): Region[] {
  const { owner, source, extent, transType, acl, sgl } = taking;
  const { objects } = rm;
  const addrspace = owner.objects?.addrspace as CapId;
  const ownAccess = acl.find((entry) => entry.vmid === owner.vmid)?.rights ?? Access.NONE;
  const regions: Region[] = [];
  for (const entry of sgl) {
    const end = Number(entry.address + entry.size);
    for (let ipa = Number(entry.address); ipa < end; ) {
      const found = objects.lookup(addrspace, source, ipa, end - ipa);
      must(`memory of VM ${owner.vmid} at IPA 0x${ipa.toString(16)}`, found.error, RmError.MEM_INVALID);
      const region = { pa: found.offset, size: found.size, ownerIpa: ipa };
      // The owner's own view first: a translation that stays the same is never gone.
      if (transType === TransType.SHARE)
        must("map for owner", view(rm, addrspace, extent, region, ownAccess, undo), RmError.MAP_FAILED);
      must("donation to the parcel", move(rm, source, extent, region, undo), RmError.MEM_INVALID);
      regions.push(region);
      ipa += region.size;
    }
  }
  return regions;
}

/** Map a region of an extent where its owner has it. @returns GunyahError */
function view(rm: RmContext, addrspace: CapId, extent: CapId, region: Region, access: number, undo: Undo): number {
  const { pa, size, ownerIpa } = region;
  const error = rm.objects.map(addrspace, extent, ownerIpa, pa, size, access);
  if (error === 0) undo.push(() => rm.objects.unmap(addrspace, extent, ownerIpa, pa, size));
  return error;
}

/** Move a region from one of the RM's extents to another. @returns GunyahError */
export function move(rm: RmContext, from: CapId, to: CapId, { pa, size }: Region, undo: Undo): number {
  const error = rm.objects.donate(SIBLING, from, to, pa, size);
  if (error === 0) undo.push(() => rm.objects.donate(SIBLING, to, from, pa, size));
  return error;
}

/** The opposite of `takeMemory`, last region first. */
export function giveBack(rm: RmContext, owner: Vm, parcel: Parcel, undo: Undo): void {
  const { addrspace, memextent } = owner.objects as VmObjects;
  const ownAccess = parcel.acl.find((entry) => entry.vmid === owner.vmid)?.rights ?? Access.NONE;
  for (const region of [...parcel.regions].reverse()) {
    const { pa, size, ownerIpa } = region;
    must("donate back", move(rm, parcel.extent, memextent as CapId, region, undo));
    if (parcel.transType !== TransType.SHARE) continue;
    must("unmap for owner", rm.objects.unmap(addrspace, parcel.extent, ownerIpa, pa, size));
    undo.push(() => rm.objects.map(addrspace, parcel.extent, ownerIpa, pa, size, ownAccess));
  }
}

/** Fill regions with zeroes. @returns GunyahError */
export function zero(rm: RmContext, extent: CapId, regions: readonly Region[]): number {
  for (const { pa, size } of regions) {
    const error = rm.objects.modify(extent, MemextentModifyOp.ZERO_RANGE, pa, size);
    if (error !== 0) return error;
  }
  return 0;
}

/** Stage-2 memory type of a VM's view. */
export function memtypeOf(parcel: Pick<Parcel, "attrs" | "memType">, vmid: number): number {
  const attr = parcel.attrs.find((entry) => entry.vmid === vmid)?.attr ?? defaultAttr(parcel.memType);
  if (attr === MemAttr.DEVICE) return VmMemtype.DEVICE_NGNRE;
  return attr === MemAttr.UNCACHED ? VmMemtype.NORMAL_NC : VmMemtype.NORMAL_WB;
}

export const isPageAligned = (value: number): boolean => value % PAGE_SIZE === 0;
