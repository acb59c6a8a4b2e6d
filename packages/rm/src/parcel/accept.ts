import { Access, MemAcceptFlag, MemType, RmError, TransType } from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { attempt, Undo } from "../undo.ts";
import type { Request, Vm, VmObjects } from "../vm/vm.ts";
import { isPageAligned, memtypeOf, move } from "./create.ts";
import { type Acceptance, type AclEntry, type AttrEntry, type Parcel, parcelSize, type Region } from "./parcel.ts";

export interface AcceptRequest {
  readonly handle: number;
  readonly memType: number;
  readonly transType: number;
  readonly flags: number;
  readonly label: number;
  readonly acl: readonly AclEntry[];
  readonly mapVmid: number;
  readonly sgl: readonly { readonly address: bigint; readonly size: bigint }[];
  readonly attrs: readonly AttrEntry[];
}

export interface AcceptResult {
  readonly parcel: Parcel;
  readonly acceptance: Acceptance;
  /** Some regions have no address yet. */
  readonly incomplete: boolean;
}

export function acceptRequest(request: Request<"MEM_ACCEPT">): AcceptRequest {
  return { ...request, mapVmid: request.sgl.tag, sgl: request.sgl.entries };
}

/**
 * MEM_ACCEPT: give a parcel's regions addresses in the acceptor's address space; with DONE map them.
 * Source: gunyah-resource-manager src/memparcel/memparcel.c, memparcel_accept
 */
export function acceptParcel(rm: RmContext, vm: Vm, request: AcceptRequest): AcceptResult {
  const parcel = rm.parcels.find(request.handle);
  const { flags, sgl } = request;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  check(request.memType === parcel.memType && request.transType === parcel.transType, RmError.ARGUMENT_INVALID, "type");
  check(!has(MemAcceptFlag.VALIDATE_SANITIZED) || parcel.sanitizeOnCreate, RmError.VALIDATE_FAILED, "not sanitized");
  check(!has(MemAcceptFlag.VALIDATE_LABEL) || request.label === parcel.label, RmError.VALIDATE_FAILED, "label");
  if (has(MemAcceptFlag.VALIDATE_ACL_ATTR))
    check(sameAcl(request.acl, parcel.acl) && sameAttrs(request.attrs, parcel.attrs), RmError.VALIDATE_FAILED, "ACL");
  check(request.mapVmid === 0, RmError.ARGUMENT_INVALID, "map_vmid");
  check(!has(MemAcceptFlag.MAP_OTHER), RmError.DENIED, "map other");
  const entry = parcel.acl.find(({ vmid }) => vmid === vm.vmid);
  check(entry !== undefined, RmError.VMID_INVALID, `VM ${vm.vmid} is not in the ACL`);
  const previous = parcel.acceptances.get(vm.vmid);
  check(vm.vmid !== parcel.owner && previous?.isMapped !== true, RmError.DENIED, "owner, or accepted already");
  // Not complete yet: the owner is still appending.
  check(parcel.state !== "INIT", RmError.DENIED, "incomplete parcel");
  const contiguous = has(MemAcceptFlag.MAP_CONTIGUOUS);
  check(!(contiguous && parcel.memType === MemType.IO), RmError.ARGUMENT_INVALID, "contiguous IO");
  check(previous === undefined || previous.contiguous === contiguous, RmError.ARGUMENT_INVALID, "contiguous or not");
  const sanitize = has(MemAcceptFlag.SANITIZE_ON_RELEASE);
  const writable = (entry.rights & Access.W) !== 0 && parcel.memType !== MemType.IO;
  check(!sanitize || writable, RmError.ARGUMENT_INVALID, "sanitize without write");

  return attempt((undo) => {
    const acceptance = previous === undefined ? unassigned(vm, parcel, contiguous) : { ...previous };
    acceptance.ipas = [...acceptance.ipas];
    acceptance.sanitizeOnRelease ||= sanitize;
    const reserved = new Undo();
    undo.push(() => reserved.run());
    if (contiguous) assignContiguous(vm, parcel, acceptance, sgl, reserved);
    else assignRegions(vm, parcel, acceptance, sgl, reserved);
    if (has(MemAcceptFlag.DONE)) {
      check(!acceptance.ipas.includes(undefined), RmError.ARGUMENT_INVALID, "regions without an address");
      if (parcel.transType === TransType.DONATE) acceptDonation(rm, vm, parcel, acceptance, entry.rights, undo);
      else mapRegions(rm, vm, parcel, acceptance, entry.rights, undo);
      acceptance.isMapped = true;
    }
    // Nothing below can fail.
    reserved.handOver(acceptance.reserved);
    if (parcel.transType === TransType.DONATE && acceptance.isMapped) {
      vm.donated.push(...parcel.regions);
      rm.parcels.delete(parcel);
      rm.objects.destroy(parcel.extent);
    } else {
      parcel.acceptances.set(vm.vmid, acceptance);
      parcel.state = "SHARED";
    }
    return { parcel, acceptance, incomplete: acceptance.ipas.includes(undefined) };
  });
}

function unassigned(vm: Vm, parcel: Parcel, contiguous: boolean): Acceptance {
  return {
    vmid: vm.vmid,
    ipas: parcel.regions.map(() => undefined),
    reserved: new Undo(),
    isMapped: false,
    contiguous,
    sanitizeOnRelease: false,
  };
}

/** One address for everything: given, or the first free place. */
function assignContiguous(
  vm: Vm,
  parcel: Parcel,
  acceptance: Acceptance,
  sgl: AcceptRequest["sgl"],
  reserved: Undo,
): void {
  check(sgl.length <= 1, RmError.ARGUMENT_INVALID, "more addresses than regions");
  const total = parcelSize(parcel);
  const given = sgl[0];
  if (given === undefined && !acceptance.ipas.includes(undefined)) return;
  if (given !== undefined)
    check(
      given.size === BigInt(total) && isPageAligned(Number(given.address)),
      RmError.ARGUMENT_INVALID,
      "size or alignment",
    );
  const base = given === undefined ? findFree(vm, total) : Number(given.address);
  reserve(vm, base, total, parcel, reserved);
  let at = base;
  parcel.regions.forEach((region, i) => {
    acceptance.ipas[i] = at;
    at += region.size;
  });
}

/** The next regions in order get the given addresses; with none given, all that are left get free ones. */
function assignRegions(
  vm: Vm,
  parcel: Parcel,
  acceptance: Acceptance,
  sgl: AcceptRequest["sgl"],
  reserved: Undo,
): void {
  const open = parcel.regions.map((_, i) => i).filter((i) => acceptance.ipas[i] === undefined);
  check(sgl.length <= open.length, RmError.ARGUMENT_INVALID, "more addresses than regions");
  if (sgl.length === 0) {
    for (const i of open) {
      const { size } = parcel.regions[i] as Region;
      const base = findFree(vm, size);
      reserve(vm, base, size, parcel, reserved);
      acceptance.ipas[i] = base;
    }
    return;
  }
  sgl.forEach(({ address, size }, n) => {
    const i = open[n] as number;
    const region = parcel.regions[i] as Region;
    check(
      size === BigInt(region.size) && isPageAligned(Number(address)),
      RmError.ARGUMENT_INVALID,
      "size or alignment",
    );
    reserve(vm, Number(address), region.size, parcel, reserved);
    acceptance.ipas[i] = Number(address);
  });
}

function reserve(vm: Vm, base: Ipa, size: number, parcel: Parcel, reserved: Undo): void {
  const release = vm.reserve(base, size, `parcel ${parcel.handle}`);
  check(release !== undefined, RmError.NORESOURCE, `IPA 0x${base.toString(16)} is taken`);
  reserved.push(release);
}

/** First free place above everything that is reserved below 2^36. NORESOURCE when there is none. */
function findFree(vm: Vm, size: number): Ipa {
  const align = size >= 0x20_0000 ? 0x20_0000 : 0x1000;
  const end = vm.ranges.reduce((top, r) => Math.max(top, r.base + r.size), 0x1000_0000);
  const base = Math.ceil(end / align) * align;
  check(base + size <= 2 ** 36, RmError.NORESOURCE, "address space full");
  return base;
}

function mapRegions(rm: RmContext, vm: Vm, parcel: Parcel, acceptance: Acceptance, rights: number, undo: Undo): void {
  const addrspace = vm.objects?.addrspace;
  check(addrspace !== undefined, RmError.MAP_FAILED, "VM without an address space");
  const memtype = memtypeOf(parcel, vm.vmid);
  parcel.regions.forEach(({ pa, size }, i) => {
    const ipa = acceptance.ipas[i] as Ipa;
    must("map", rm.objects.map(addrspace, parcel.extent, ipa, pa, size, rights, memtype), RmError.MAP_FAILED);
    undo.push(() => rm.objects.unmap(addrspace, parcel.extent, ipa, pa, size));
  });
}

/** A donation ends the parcel: its memory becomes the acceptor's own. */
function acceptDonation(
  rm: RmContext,
  vm: Vm,
  parcel: Parcel,
  acceptance: Acceptance,
  rights: number,
  undo: Undo,
): void {
  const { objects } = vm;
  check(objects !== undefined, RmError.MAP_FAILED, "VM without an address space");
  const own = objects.memextent ?? makeMemextent(rm, objects, undo);
  parcel.regions.forEach((region, i) => {
    const { pa, size } = region;
    const ipa = acceptance.ipas[i] as Ipa;
    must("map", rm.objects.map(objects.addrspace, own, ipa, pa, size, rights), RmError.MAP_FAILED);
    undo.push(() => rm.objects.unmap(objects.addrspace, own, ipa, pa, size));
    must("donate", move(rm, parcel.extent, own, region, undo), RmError.MAP_FAILED);
  });
}

function makeMemextent(rm: RmContext, objects: VmObjects, undo: Undo): CapId {
  const own = rm.objects.extent();
  objects.memextent = own;
  undo.push(() => {
    objects.memextent = undefined;
    rm.objects.destroy(own);
  });
  return own;
}

function sameAcl(a: readonly AclEntry[], b: readonly AclEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.vmid === b[i]?.vmid && entry.rights === b[i]?.rights);
}
function sameAttrs(a: readonly AttrEntry[], b: readonly AttrEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.vmid === b[i]?.vmid && entry.attr === b[i]?.attr);
}
