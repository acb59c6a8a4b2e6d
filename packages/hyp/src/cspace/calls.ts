/**
 * Hypercalls of capability spaces. Source: gunyah-hypervisor hyp/core/cspace_twolevel/src/hypercalls.c
 */

import { CspaceRight, GunyahError, Hypercall, OBJECT_ACTIVATE } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { THREAD } from "../object/kinds.ts";
import { Cspace } from "./cspace.ts";

export function addCspaceCalls(table: HypercallTable): void {
  table.add(Hypercall.cspace_delete_cap_from, (caller, r) => {
    const cspace = caller.cspace.lookup(r, 1, Cspace, CspaceRight.CAP_DELETE);
    return typeof cspace === "number" ? cspace : cspace.deleteCap(r, 2);
  });
  table.add(Hypercall.cspace_copy_cap_from, (caller, r) => {
    const source = caller.cspace.lookup(r, 1, Cspace, CspaceRight.CAP_COPY);
    if (typeof source === "number") return source;
    const target = caller.cspace.lookup(r, 3, Cspace, CspaceRight.CAP_CREATE);
    if (typeof target === "number") return target;
    const cap = source.copyCap(r, 2, target, r.low(4));
    if (typeof cap === "number") return cap;
    r.x[1] = cap;
    return GunyahError.OK;
  });
  table.add(Hypercall.cspace_revoke_cap_from, () => GunyahError.UNIMPLEMENTED);
  table.add(Hypercall.cspace_revoke_caps_from, (caller, r) => {
    const cspace = caller.cspace.lookup(r, 1, Cspace, CspaceRight.CAP_REVOKE);
    return typeof cspace === "number" ? cspace : cspace.revokeCaps(r, 2);
  });
  table.add(Hypercall.cspace_configure, (caller, r) => {
    const cspace = caller.cspace.lookupForConfigure(r, 1, Cspace, OBJECT_ACTIVATE);
    if (typeof cspace === "number") return cspace;
    return cspace.isInit ? cspace.configure(r.low(2)) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.cspace_attach_thread, (caller, r) => {
    const thread = caller.cspace.lookupForConfigure(r, 2, THREAD, OBJECT_ACTIVATE);
    if (typeof thread === "number") return thread;
    const cspace = caller.cspace.lookup(r, 1, Cspace, CspaceRight.ATTACH);
    if (typeof cspace === "number") return cspace;
    if (!thread.isInit) return GunyahError.OBJECT_STATE;
    const old = thread.cspace;
    thread.cspace = cspace.retain();
    old?.release();
    return GunyahError.OK;
  });
}
