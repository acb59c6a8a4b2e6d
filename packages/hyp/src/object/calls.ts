/**
 * Hypercalls on any object. Source: gunyah-hypervisor hyp/core/object_standard/src/hypercalls.c
 */

import { CspaceRight, GunyahError, Hypercall, OBJECT_ACTIVATE } from "@gunyah-ts/abi";
import { Cspace } from "../cspace/cspace.ts";
import type { HypercallTable } from "../hypercall/table.ts";

/** object_activate, object_activate_from, object_reset, object_reset_from. */
export function addObjectCalls(table: HypercallTable): void {
  table.add(Hypercall.object_activate, (caller, args) => {
    const object = caller.cspace.lookupAny(args.cap, OBJECT_ACTIVATE);
    return typeof object === "number" ? object : object.activate();
  });
  table.add(Hypercall.object_activate_from, (caller, args) => {
    const cspace = caller.cspace.lookup(args.cspace, Cspace, CspaceRight.CAP_CREATE);
    if (typeof cspace === "number") return cspace;
    const object = cspace.lookupAny(args.cap, OBJECT_ACTIVATE);
    return typeof object === "number" ? object : object.activate();
  });
  table.add(Hypercall.object_reset, () => GunyahError.UNIMPLEMENTED);
  table.add(Hypercall.object_reset_from, () => GunyahError.UNIMPLEMENTED);
}
