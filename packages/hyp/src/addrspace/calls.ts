/**
 * Hypercalls of address spaces.
 * Source: gunyah-hypervisor hyp/mem/addrspace/src/hypercalls.c; hyp/interfaces/addrspace/addrspace.hvc
 */

import {
  AccessAttrs,
  AddrspaceRight,
  GunyahError,
  Hypercall,
  MapAttrs,
  MapFlag,
  MapFlags,
  MemextentMemtype,
  MemextentRight,
  OBJECT_ACTIVATE,
  VicRight,
  VmmioOp,
} from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { Caller } from "../hypercall/caller.ts";
import type { Registers } from "../hypercall/registers.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { intentAttrs, mapAttrsOf } from "../memory/intent.ts";
import { mapPart, mapWhole, unmapPart, unmapWhole, updateAccess } from "../memory/mapping.ts";
import { Memextent } from "../memory/memextent.ts";
import { THREAD, VIC } from "../object/kinds.ts";
import { Addrspace, MAX_INFO_AREA_SIZE } from "./addrspace.ts";
import { IPA_LIMIT } from "./stage2.ts";

const WRAP = 2 ** 64;
const MAP_ATTRS_RESERVED = ~MapAttrs.mask;
const MAP_FLAGS_RESERVED = ~MapFlags.mask;
const ACCESS_ATTRS_RESERVED = ~AccessAttrs.mask;

/** X1 address space, X2 extent, X3 vbase, X4 attributes, X5 flags, X6 offset, X7 size. */
function map(caller: Caller, r: Registers): number {
  const attrs = r.low(4);
  const flags = r.low(5);
  if ((attrs & MAP_ATTRS_RESERVED) !== 0 || (flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  // Memory types are four bits wide; a larger number is none.
  if (((attrs >>> 16) & 0xff) > 15) return GunyahError.ARGUMENT_INVALID;
  return (flags & MapFlag.PARTIAL) !== 0
    ? mapPart(extent, addrspace, r.num(3), r.num(6), r.num(7), intentAttrs(attrs))
    : mapWhole(extent, addrspace, r.num(3), intentAttrs(attrs));
}

/** X1 address space, X2 extent, X3 vbase, X4 flags, X5 offset, X6 size. */
function unmap(caller: Caller, r: Registers): number {
  const flags = r.low(4);
  if ((flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  return (flags & MapFlag.PARTIAL) !== 0
    ? unmapPart(extent, addrspace, r.num(3), r.num(5), r.num(6))
    : unmapWhole(extent, addrspace, r.num(3));
}

/** X1 address space, X2 extent, X3 vbase, X4 access, X5 flags, X6 offset, X7 size. */
function update(caller: Caller, r: Registers): number {
  const access = r.low(4);
  const flags = r.low(5);
  if ((access & ACCESS_ATTRS_RESERVED) !== 0 || (flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  const part = (flags & MapFlag.PARTIAL) !== 0 ? { offset: r.num(6), size: r.num(7) } : undefined;
  return updateAccess(extent, addrspace, r.num(3), part, intentAttrs(access));
}

/**
 * X1 address space, X2 extent, X3 vbase, X4 size. Results: X1 offset in the extent, X2 size of the contiguous part
 * at vbase, X3 map attributes.
 */
function lookup(caller: Caller, r: Registers): number {
  const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.LOOKUP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.LOOKUP);
  if (typeof extent === "number") return extent;
  const wantedSize = r.x[4] as bigint;
  if (wantedSize === 0n) return GunyahError.ARGUMENT_SIZE;
  if ((r.x[3] as bigint) + wantedSize - 1n > 0xffff_ffff_ffff_ffffn) return GunyahError.ADDR_OVERFLOW;
  const vbase = r.num(3);
  const size = r.num(4);
  if (vbase % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) return GunyahError.ARGUMENT_ALIGNMENT;
  const { stage2 } = addrspace;
  if (stage2 === undefined || vbase >= IPA_LIMIT || !stage2.lookup(vbase)) return GunyahError.ADDR_INVALID;
  const { found } = stage2;
  const phys = found.pa + (vbase % found.size);
  const { attrs } = found;
  let length = Math.min(found.size - (vbase % found.size), size);
  while (length < size && vbase + length < IPA_LIMIT && stage2.lookup(vbase + length)) {
    if (found.pa !== phys + length || found.attrs !== attrs) break;
    length = Math.min(length + found.size, size);
  }
  if (!addrspace.core.memdb.owns(extent.id, phys, length)) return GunyahError.MEMDB_NOT_OWNER;
  r.set(1, phys - extent.physBase);
  r.set(2, length);
  r.set(3, mapAttrsOf(attrs));
  return GunyahError.OK;
}

/** X1 address space (INIT), X2 extent, X3 IPA. */
function configureInfoArea(caller: Caller, r: Registers): number {
  const addrspace = caller.cspace.lookupForConfigure(r, 1, Addrspace, OBJECT_ACTIVATE);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.ATTACH);
  if (typeof extent === "number") return extent;
  if (!addrspace.isInit) return GunyahError.OBJECT_STATE;
  const ipa = r.num(3);
  if (extent.size > MAX_INFO_AREA_SIZE) return GunyahError.ARGUMENT_INVALID;
  if ((r.low(3) & (PAGE_SIZE - 1)) !== 0 || ipa + extent.size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  if (extent.isSparse || (extent.access & 6) !== 6 || extent.memtype !== MemextentMemtype.ANY)
    return GunyahError.ARGUMENT_INVALID;
  addrspace.setInfoArea(extent, ipa);
  return GunyahError.OK;
}

/** X1 address space, X2 base, X3 size, X4 operation. */
function configureVmmio(caller: Caller, r: Registers): number {
  const addrspace = caller.cspace.lookupAnyState(r, 1, Addrspace, AddrspaceRight.ADD_VMMIO_RANGE);
  if (typeof addrspace === "number") return addrspace;
  if (!addrspace.isInit && !addrspace.isActive) return GunyahError.OBJECT_STATE;
  const base = r.num(2);
  const size = r.num(3);
  switch (r.low(4)) {
    case VmmioOp.ADD:
      return addrspace.addVmmioRange(base, size);
    case VmmioOp.REMOVE:
      return addrspace.removeVmmioRange(base, size);
    case VmmioOp.ADD_DEMAND_PAGED:
      return addrspace.addDemandPagedRange(base, size);
    case VmmioOp.REMOVE_DEMAND_PAGED:
      return addrspace.removeDemandPagedRange(base, size);
    default:
      return GunyahError.UNIMPLEMENTED;
  }
}

/** X1 address space, X2 device, X3 index, X4 vbase, X5 size, X6 flags. */
function attachVdevice(caller: Caller, r: Registers): number {
  const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const vic = caller.cspace.lookup(r, 2, VIC, VicRight.ATTACH_VDEVICE);
  if (typeof vic === "number") return vic;
  const vbase = r.num(4);
  const size = r.num(5);
  if (vbase + size > WRAP) return GunyahError.ARGUMENT_INVALID;
  return vic.attachVdevice(addrspace, r.low(3), vbase, size, r.low(6));
}

export function addAddrspaceCalls(table: HypercallTable): void {
  table.add(Hypercall.addrspace_map, map);
  table.add(Hypercall.addrspace_unmap, unmap);
  table.add(Hypercall.addrspace_update_access, update);
  table.add(Hypercall.addrspace_lookup, lookup);
  table.add(Hypercall.addrspace_configure_info_area, configureInfoArea);
  table.add(Hypercall.addrspace_configure_vmmio, configureVmmio);
  table.add(Hypercall.addrspace_attach_vdevice, attachVdevice);
  table.add(Hypercall.addrspace_configure, (caller, r) => {
    const addrspace = caller.cspace.lookupForConfigure(r, 1, Addrspace, OBJECT_ACTIVATE);
    if (typeof addrspace === "number") return addrspace;
    return addrspace.isInit ? addrspace.configure(r.low(2)) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.addrspace_attach_thread, (caller, r) => {
    const thread = caller.cspace.lookupForConfigure(r, 2, THREAD, OBJECT_ACTIVATE);
    if (typeof thread === "number") return thread;
    const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.ATTACH);
    if (typeof addrspace === "number") return addrspace;
    if (!thread.isInit) return GunyahError.OBJECT_STATE;
    const old = thread.addrspace as Addrspace | undefined;
    thread.addrspace = addrspace.retain();
    old?.release();
    return GunyahError.OK;
  });
  table.add(Hypercall.addrspace_attach_vdma, (caller, r) => {
    const addrspace = caller.cspace.lookup(r, 1, Addrspace, AddrspaceRight.ATTACH);
    // Only a vGIC with LPIs has a port to attach; no handler answers here. Source: event addrspace_attach_vdma
    return typeof addrspace === "number" ? addrspace : GunyahError.CSPACE_WRONG_OBJECT_TYPE;
  });
}
