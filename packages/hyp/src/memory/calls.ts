/**
 * Hypercalls of memory extents. Source: gunyah-hypervisor hyp/mem/memextent/src/hypercalls.c
 */

import {
  DonateOption,
  DonateOptions,
  GunyahError,
  Hypercall,
  MemextentDonateType,
  MemextentModifyOp,
  MemextentRight,
  ModifyFlag,
  ModifyFlags,
  OBJECT_ACTIVATE,
  PartitionRight,
} from "@gunyah-ts/abi";
import type { Arguments } from "../hypercall/arguments.ts";
import type { Caller } from "../hypercall/caller.ts";
import type { HypercallTable } from "../hypercall/table.ts";
import { Partition } from "../partition/partition.ts";
import { configureDerive, configureRoot } from "./configure.ts";
import { donateChild, donateSibling } from "./donate.ts";
import { Memextent } from "./memextent.ts";
import { cleanRange } from "./modify.ts";

type DonateArguments = Arguments<typeof Hypercall.memextent_donate>;
const DONATE_RESERVED = ~DonateOptions.mask;
const MODIFY_RESERVED = ~ModifyFlags.mask;

function modify(caller: Caller, args: Arguments<typeof Hypercall.memextent_modify>): GunyahError {
  const flags = args.flags;
  if ((flags & MODIFY_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  const extent = caller.cspace.lookup(args.memextent, Memextent, MemextentRight.MAP);
  if (typeof extent === "number") return extent;
  const sync = (flags & ModifyFlag.NO_SYNC) === 0;
  switch (flags & ModifyFlag.OP) {
    case MemextentModifyOp.UNMAP_ALL:
      extent.unmapAll();
      return GunyahError.OK;
    case MemextentModifyOp.ZERO_RANGE:
      return sync ? GunyahError.ARGUMENT_INVALID : cleanRange(extent, args.offset, args.size, true);
    case MemextentModifyOp.CACHE_CLEAN_RANGE:
    case MemextentModifyOp.CACHE_FLUSH_RANGE:
      return sync ? GunyahError.ARGUMENT_INVALID : cleanRange(extent, args.offset, args.size, false);
    // Differs: SYNC_ALL and NO_SYNC are checked and change nothing, because no grace period is left open.
    case MemextentModifyOp.SYNC_ALL:
      return sync ? GunyahError.OK : GunyahError.ARGUMENT_INVALID;
    default:
      return GunyahError.ARGUMENT_INVALID;
  }
}

/** The parent's end may be a partition's. */
function donateParentChild(caller: Caller, args: DonateArguments, toParent: boolean): GunyahError {
  const [parentCap, childCap] = toParent ? [args.to, args.from] : [args.from, args.to];
  const child = caller.cspace.lookup(childCap, Memextent, MemextentRight.DONATE);
  if (typeof child === "number") return child;
  if (child.parent === undefined) {
    const partition = caller.cspace.lookup(parentCap, Partition, PartitionRight.DONATE);
    if (typeof partition === "number") return partition;
    if (child.partition !== partition) return GunyahError.ARGUMENT_INVALID;
  } else {
    const parent = caller.cspace.lookup(parentCap, Memextent, MemextentRight.DONATE);
    if (typeof parent === "number") return parent;
    if (child.parent !== parent) return GunyahError.ARGUMENT_INVALID;
  }
  return donateChild(child, args.offset, args.size, toParent);
}

/**
 * The offset counts from the base of `from`, or of the child where the other end is its parent.
 * Differs: TO_PROTECTED and FROM_PROTECTED are not in the December 2023 source; they are donations between siblings,
 * which is how the Linux series uses them (host_private and guest_private extents).
 */
function donate(caller: Caller, args: DonateArguments): GunyahError {
  const options = args.options;
  if ((options & DONATE_RESERVED) !== 0) return GunyahError.ARGUMENT_INVALID;
  switch (options & DonateOption.TYPE) {
    case MemextentDonateType.TO_CHILD:
      return donateParentChild(caller, args, false);
    case MemextentDonateType.TO_PARENT:
      return donateParentChild(caller, args, true);
    case MemextentDonateType.TO_SIBLING:
    case MemextentDonateType.TO_PROTECTED:
    case MemextentDonateType.FROM_PROTECTED: {
      const from = caller.cspace.lookup(args.from, Memextent, MemextentRight.DONATE);
      if (typeof from === "number") return from;
      const to = caller.cspace.lookup(args.to, Memextent, MemextentRight.DONATE);
      if (typeof to === "number") return to;
      return donateSibling(from, to, args.offset, args.size);
    }
    default:
      return GunyahError.ARGUMENT_INVALID;
  }
}

export function addMemextentCalls(table: HypercallTable): void {
  table.add(Hypercall.memextent_modify, modify);
  table.add(Hypercall.memextent_configure, (caller, args) => {
    const extent = caller.cspace.lookupForConfigure(args.memextent, Memextent, OBJECT_ACTIVATE);
    if (typeof extent === "number") return extent;
    return extent.isInit ? configureRoot(extent, args) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.memextent_configure_derive, (caller, args) => {
    const parent = caller.cspace.lookup(args.parent, Memextent, MemextentRight.DERIVE);
    if (typeof parent === "number") return parent;
    const extent = caller.cspace.lookupForConfigure(args.memextent, Memextent, OBJECT_ACTIVATE);
    if (typeof extent === "number") return extent;
    return extent.isInit ? configureDerive(extent, parent, args) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.memextent_donate, donate);
}
