/**
 * Hypercalls of capability spaces. Source: gunyah-hypervisor hyp/core/cspace_twolevel/src/hypercalls.c
 */

import { CspaceRight, GunyahError, Hypercall, OBJECT_ACTIVATE } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { THREAD } from "../object/kinds.ts";
import { Cspace } from "./cspace.ts";

export function addCspaceCalls(table: HypercallTable): void {
  table.add(Hypercall.cspace_delete_cap_from, (caller, args) => {
    const cspace = caller.cspace.lookup(args.cspace, Cspace, CspaceRight.CAP_DELETE);
    return typeof cspace === "number" ? cspace : cspace.deleteCap(args.cap);
  });
  table.add(Hypercall.cspace_copy_cap_from, (caller, args, results) => {
    const source = caller.cspace.lookup(args.src_cspace, Cspace, CspaceRight.CAP_COPY);
    if (typeof source === "number") return source;
    const target = caller.cspace.lookup(args.dst_cspace, Cspace, CspaceRight.CAP_CREATE);
    if (typeof target === "number") return target;
    const cap = source.copyCap(args.src_cap, target, args.rights_mask);
    if (typeof cap === "number") return cap;
    results.new_cap.value = cap;
    return GunyahError.OK;
  });
  table.add(Hypercall.cspace_revoke_cap_from, () => GunyahError.UNIMPLEMENTED);
  table.add(Hypercall.cspace_revoke_caps_from, (caller, args) => {
    const cspace = caller.cspace.lookup(args.cspace, Cspace, CspaceRight.CAP_REVOKE);
    return typeof cspace === "number" ? cspace : cspace.revokeCaps(args.master_cap);
  });
  table.add(Hypercall.cspace_configure, (caller, args) => {
    const cspace = caller.cspace.lookupForConfigure(args.cspace, Cspace, OBJECT_ACTIVATE);
    if (typeof cspace === "number") return cspace;
    return cspace.isInit ? cspace.configure(args.max_caps) : GunyahError.OBJECT_STATE;
  });
  table.add(Hypercall.cspace_attach_thread, (caller, args) => {
    const thread = caller.cspace.lookupForConfigure(args.thread, THREAD, OBJECT_ACTIVATE);
    if (typeof thread === "number") return thread;
    const cspace = caller.cspace.lookup(args.cspace, Cspace, CspaceRight.ATTACH);
    if (typeof cspace === "number") return cspace;
    if (!thread.isInit) return GunyahError.OBJECT_STATE;
    const old = thread.cspace;
    thread.cspace = cspace.retain();
    old?.release();
    return GunyahError.OK;
  });
}
