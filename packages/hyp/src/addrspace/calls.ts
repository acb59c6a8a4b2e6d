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
import type { Arguments, Results } from "../hypercall/arguments.ts";
import type { Caller } from "../hypercall/caller.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { attrsOfMap, mapAttrsOf } from "../memory/intent.ts";
import { mapPart, mapWhole, unmapPart, unmapWhole, updateAccess } from "../memory/mapping.ts";
import { Memextent } from "../memory/memextent.ts";
import { THREAD, VIC } from "../object/kinds.ts";
import { Addrspace, MAX_INFO_AREA_SIZE } from "./addrspace.ts";
import { IPA_LIMIT } from "./stage2.ts";

const WRAP = 2 ** 64;
const MAP_ATTRS_RESERVED = ~MapAttrs.mask;
/** Differs: PRIVATE and VMMIO came with Linux v15. They are accepted and change nothing, because an extent is one or the other. */
const MAP_FLAGS_RESERVED = ~MapFlags.mask;
const ACCESS_ATTRS_RESERVED = ~AccessAttrs.mask;

function map(caller: Caller, args: Arguments<typeof Hypercall.addrspace_map>): GunyahError {
  const attrs = args.map_attrs;
  const flags = args.map_flags;
  if ((attrs & MAP_ATTRS_RESERVED) !== 0 || (flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  // Memory types are four bits wide; a larger number is none.
  if (((attrs >>> 16) & 0xff) > 15) return GunyahError.ARGUMENT_INVALID;
  return (flags & MapFlag.PARTIAL) !== 0
    ? mapPart(extent, addrspace, args.vbase, args.offset, args.size, attrsOfMap(attrs))
    : mapWhole(extent, addrspace, args.vbase, attrsOfMap(attrs));
}

function unmap(caller: Caller, args: Arguments<typeof Hypercall.addrspace_unmap>): GunyahError {
  const flags = args.map_flags;
  if ((flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  return (flags & MapFlag.PARTIAL) !== 0
    ? unmapPart(extent, addrspace, args.vbase, args.offset, args.size)
    : unmapWhole(extent, addrspace, args.vbase);
}

function update(caller: Caller, args: Arguments<typeof Hypercall.addrspace_update_access>): GunyahError {
  const access = args.access_attrs;
  const flags = args.map_flags;
  if ((access & ACCESS_ATTRS_RESERVED) !== 0 || (flags & MAP_FLAGS_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  const part = (flags & MapFlag.PARTIAL) !== 0 ? { offset: args.offset, size: args.size } : undefined;
  return updateAccess(extent, addrspace, args.vbase, part, attrsOfMap(access));
}

/** Answers with the contiguous part of the extent at vbase. */
function lookup(
  caller: Caller,
  args: Arguments<typeof Hypercall.addrspace_lookup>,
  results: Results<typeof Hypercall.addrspace_lookup>,
): GunyahError {
  const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.LOOKUP);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.LOOKUP);
  if (typeof extent === "number") return extent;
  const wantedSize = args.word("size").value;
  if (wantedSize === 0n) return GunyahError.ARGUMENT_SIZE;
  if (args.word("vbase").value + wantedSize - 1n > 0xffff_ffff_ffff_ffffn) return GunyahError.ADDR_OVERFLOW;
  const vbase = args.vbase;
  const size = args.size;
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
  results.offset = phys - extent.physBase;
  results.size = length;
  results.map_attrs = mapAttrsOf(attrs);
  return GunyahError.OK;
}

function configureInfoArea(
  caller: Caller,
  args: Arguments<typeof Hypercall.addrspace_configure_info_area>,
): GunyahError {
  const addrspace = caller.cspace.lookupForConfigure(args.addrspace, Addrspace, OBJECT_ACTIVATE);
  if (typeof addrspace === "number") return addrspace;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.ATTACH);
  if (typeof extent === "number") return extent;
  if (!addrspace.isInit) return GunyahError.OBJECT_STATE;
  const ipa = args.ipa;
  if (extent.size > MAX_INFO_AREA_SIZE) return GunyahError.ARGUMENT_INVALID;
  if ((args.word("ipa").low & (PAGE_SIZE - 1)) !== 0 || ipa + extent.size > IPA_LIMIT) return GunyahError.ADDR_INVALID;
  if (extent.isSparse || (extent.access & 6) !== 6 || extent.memtype !== MemextentMemtype.ANY)
    return GunyahError.ARGUMENT_INVALID;
  addrspace.setInfoArea(extent, ipa);
  return GunyahError.OK;
}

function configureVmmio(caller: Caller, args: Arguments<typeof Hypercall.addrspace_configure_vmmio>): GunyahError {
  const addrspace = caller.cspace.lookupAnyState(args.addrspace, Addrspace, AddrspaceRight.ADD_VMMIO_RANGE);
  if (typeof addrspace === "number") return addrspace;
  if (!addrspace.isInit && !addrspace.isActive) return GunyahError.OBJECT_STATE;
  const base = args.vbase;
  const size = args.size;
  switch (args.op) {
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

function attachVdevice(caller: Caller, args: Arguments<typeof Hypercall.addrspace_attach_vdevice>): GunyahError {
  const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.MAP);
  if (typeof addrspace === "number") return addrspace;
  const vic = caller.cspace.lookup(args.vdevice, VIC, VicRight.ATTACH_VDEVICE);
  if (typeof vic === "number") return vic;
  const vbase = args.vbase;
  const size = args.size;
  if (vbase + size > WRAP) return GunyahError.ARGUMENT_INVALID;
  return vic.attachVdevice(addrspace, args.index, vbase, size, args.flags);
}

export function addAddrspaceCalls(table: HypercallTable): void {
  table.add(Hypercall.addrspace_map, map);
  table.add(Hypercall.addrspace_unmap, unmap);
  table.add(Hypercall.addrspace_update_access, update);
  table.add(Hypercall.addrspace_lookup, lookup);
  table.add(Hypercall.addrspace_configure_info_area, configureInfoArea);
  table.add(Hypercall.addrspace_configure_vmmio, configureVmmio);
  table.add(Hypercall.addrspace_attach_vdevice, attachVdevice);
  table.add(Hypercall.addrspace_configure, (caller, args) => {
    const addrspace = caller.cspace.lookupForConfigure(args.addrspace, Addrspace, OBJECT_ACTIVATE);
    if (typeof addrspace === "number") return addrspace;
    return addrspace.isInit ? addrspace.configure(args.vmid) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.addrspace_attach_thread, (caller, args) => {
    const thread = caller.cspace.lookupForConfigure(args.thread, THREAD, OBJECT_ACTIVATE);
    if (typeof thread === "number") return thread;
    const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.ATTACH);
    if (typeof addrspace === "number") return addrspace;
    if (!thread.isInit) return GunyahError.OBJECT_STATE;
    const old = thread.addrspace as Addrspace | undefined;
    thread.addrspace = addrspace.retain();
    old?.release();
    return GunyahError.OK;
  });
  table.add(Hypercall.addrspace_attach_vdma, (caller, args) => {
    const addrspace = caller.cspace.lookup(args.addrspace, Addrspace, AddrspaceRight.ATTACH);
    // Only a vGIC with LPIs has a port to attach; no handler answers here. Source: event addrspace_attach_vdma
    return typeof addrspace === "number" ? addrspace : GunyahError.CSPACE_WRONG_OBJECT_TYPE;
  });
}
