/**
 * Hypercalls of memory extents. Source: gunyah-hypervisor hyp/mem/memextent/src/hypercalls.c
 */

import {
  DonateOptions,
  GunyahError,
  Hypercall,
  MemextentDonateType,
  MemextentModifyOp,
  MemextentRight,
  ModifyFlags,
  OBJECT_ACTIVATE,
  PartitionRight,
} from "@gunyah-ts/abi";
import type { Caller } from "../hypercall/caller.ts";
import type { Registers } from "../hypercall/registers.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { Partition } from "../partition/partition.ts";
import { configureDerive, configureRoot } from "./configure.ts";
import { donateChild, donateSibling } from "./donate.ts";
import { Memextent } from "./memextent.ts";
import { cleanRange } from "./modify.ts";

const NO_SYNC = 0x8000_0000;
const DONATE_RESERVED = ~DonateOptions.mask;
const MODIFY_RESERVED = ~ModifyFlags.mask;

/** memextent_modify: X1 extent, X2 flags, X3 offset, X4 size. */
function modify(caller: Caller, r: Registers): number {
  const flags = r.low(2);
  if ((flags & MODIFY_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const extent = caller.cspace.lookup(r, 1, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  const sync = (flags & NO_SYNC) === 0;
  switch (flags & 0xff) {
    case MemextentModifyOp.UNMAP_ALL:
      extent.unmapAll();
      return GunyahError.OK;
    case MemextentModifyOp.ZERO_RANGE:
      return sync ? GunyahError.ARGUMENT_INVALID : cleanRange(extent, r.num(3), r.num(4), true);
    case MemextentModifyOp.CACHE_CLEAN_RANGE:
    case MemextentModifyOp.CACHE_FLUSH_RANGE:
      return sync ? GunyahError.ARGUMENT_INVALID : cleanRange(extent, r.num(3), r.num(4), false);
    case MemextentModifyOp.SYNC_ALL:
      return sync ? GunyahError.OK : GunyahError.ARGUMENT_INVALID;
    default:
      return GunyahError.ARGUMENT_INVALID;
  }
}

/** X<parent> and X<child> hold the two ends; offset X4, size X5. */
function donateParentChild(
  caller: Caller,
  r: Registers,
  parentReg: number,
  childReg: number,
  toParent: boolean,
): number {
  const child = caller.cspace.lookup(r, childReg, Memextent, MemextentRight.DONATE);
  if (typeof child === "number") return child;
  if (child.parent === undefined) {
    const partition = caller.cspace.lookup(r, parentReg, Partition, PartitionRight.DONATE);
    if (typeof partition === "number") return partition;
    if (child.partition !== partition) return GunyahError.ARGUMENT_INVALID;
  } else {
    const parent = caller.cspace.lookup(r, parentReg, Memextent, MemextentRight.DONATE);
    if (typeof parent === "number") return parent;
    if (child.parent !== parent) return GunyahError.ARGUMENT_INVALID;
  }
  return donateChild(child, r.num(4), r.num(5), toParent);
}

/**
 * memextent_donate: X1 options, X2 from, X3 to, X4 offset from the base of `from` (the child, with a parent),
 * X5 size.
 * Differs: TO_PROTECTED and FROM_PROTECTED are not in the December 2023 source; they are donations between siblings,
 * which is how the Linux series uses them (host_private and guest_private extents).
 */
function donate(caller: Caller, r: Registers): number {
  const options = r.low(1);
  if ((options & DONATE_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  switch (options & 0xff) {
    case MemextentDonateType.TO_CHILD:
      return donateParentChild(caller, r, 2, 3, false);
    case MemextentDonateType.TO_PARENT:
      return donateParentChild(caller, r, 3, 2, true);
    case MemextentDonateType.TO_SIBLING:
    case MemextentDonateType.TO_PROTECTED:
    case MemextentDonateType.FROM_PROTECTED: {
      const from = caller.cspace.lookup(r, 2, Memextent, MemextentRight.DONATE);
      if (typeof from === "number") return from;
      const to = caller.cspace.lookup(r, 3, Memextent, MemextentRight.DONATE);
      if (typeof to === "number") return to;
      return donateSibling(from, to, r.num(4), r.num(5));
    }
    default:
      return GunyahError.ARGUMENT_INVALID;
  }
}

export function addMemextentCalls(table: HypercallTable): void {
  table.add(Hypercall.memextent_modify, modify);
  table.add(Hypercall.memextent_configure, (caller, r) => {
    const extent = caller.cspace.lookupForConfigure(r, 1, Memextent, OBJECT_ACTIVATE);
    if (typeof extent === "number") return extent;
    return extent.isInit ? configureRoot(extent, r) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.memextent_configure_derive, (caller, r) => {
    const parent = caller.cspace.lookup(r, 2, Memextent, MemextentRight.DERIVE);
    if (typeof parent === "number") return parent;
    const extent = caller.cspace.lookupForConfigure(r, 1, Memextent, OBJECT_ACTIVATE);
    if (typeof extent === "number") return extent;
    return extent.isInit ? configureDerive(extent, parent, r) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.memextent_donate, donate);
}
