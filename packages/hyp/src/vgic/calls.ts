/**
 * Hypercalls of virtual interrupt controllers and hardware interrupts.
 * Source: gunyah-hypervisor hyp/vm/vic_base/src/hypercalls.c, hyp/vm/vgic/src/distrib.c, hyp/vm/vic_forward_hwirq
 */

import { GunyahError, HwirqRight, Hypercall, OBJECT_ACTIVATE, VicRight } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { Vcpu } from "../vcpu/vcpu.ts";
import { Hwirq } from "./hwirq.ts";
import { VicObject } from "./vic-object.ts";

export function addVicCalls(table: HypercallTable): void {
  // X1 vic, X2 vCPUs, X3 shared interrupts, X4 options, X5 MSIs
  table.add(Hypercall.vic_configure, (caller, r) => {
    const vic = caller.cspace.lookupForConfigure(r, 1, VicObject, OBJECT_ACTIVATE);
    if (typeof vic === "number") return vic;
    if (!vic.isInit) return GunyahError.OBJECT_STATE;
    return vic.configure(r.low(2), r.low(3), r.low(5));
  });
  // X1 vic, X2 vCPU, X3 index
  table.add(Hypercall.vic_attach_vcpu, (caller, r) => {
    const vic = caller.cspace.lookup(r, 1, VicObject, VicRight.ATTACH_VCPU);
    if (typeof vic === "number") return vic;
    const vcpu = caller.cspace.lookupForConfigure(r, 2, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    if (r.low(3) >= vic.maxVcpus) return GunyahError.ARGUMENT_INVALID;
    vcpu.vic?.release();
    vcpu.vic = vic.retain();
    vcpu.vicIndex = r.low(3);
    return GunyahError.OK;
  });
  // X1 vic, X2 mask, X3-X6 shifts of Aff0-Aff3, X7 MT
  table.add(Hypercall.vgic_set_mpidr_mapping, (caller, r) => {
    const vic = caller.cspace.lookupForConfigure(r, 1, VicObject, OBJECT_ACTIVATE);
    if (typeof vic === "number") return vic;
    if (!vic.isInit) return GunyahError.OBJECT_STATE;
    const mask = r.low(2);
    return vic.setMpidrMapping({
      shifts: [r.low(3), r.low(4), r.low(5), r.low(6)],
      masks: [mask & 0xff, (mask >>> 8) & 0xff, (mask >>> 16) & 0xff, r.high(2) & 0xff],
      multiThread: (r.low(7) & 1) !== 0,
    });
  });
  // No ITS exists, so no object can be an MSI source.
  table.add(Hypercall.vic_bind_msi_source, (caller, r) => {
    const vic = caller.cspace.lookup(r, 1, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    const source = caller.cspace.lookupAny(r, 2, 0);
    return typeof source === "number" ? source : GunyahError.CSPACE_WRONG_OBJECT_TYPE;
  });
  // X1 hwirq, X2 vic, X3 virq_info
  table.add(Hypercall.hwirq_bind_virq, (caller, r) => {
    const hwirq = caller.cspace.lookup(r, 1, Hwirq, HwirqRight.BIND_VIC);
    if (typeof hwirq === "number") return hwirq;
    const vic = caller.cspace.lookup(r, 2, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vic.bind(hwirq.source, r.low(3));
  });
  table.add(Hypercall.hwirq_unbind_virq, (caller, r) => {
    const hwirq = caller.cspace.lookup(r, 1, Hwirq, HwirqRight.BIND_VIC);
    if (typeof hwirq === "number") return hwirq;
    hwirq.source.unbind();
    return GunyahError.OK;
  });
}
