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
  table.add(Hypercall.vic_configure, (caller, args) => {
    const vic = caller.cspace.lookupForConfigure(args.vic, VicObject, OBJECT_ACTIVATE);
    if (typeof vic === "number") return vic;
    if (!vic.isInit) return GunyahError.OBJECT_STATE;
    return vic.configure(args.max_vcpus, args.max_virqs, args.max_msis);
  });
  table.add(Hypercall.vic_attach_vcpu, (caller, args) => {
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.ATTACH_VCPU);
    if (typeof vic === "number") return vic;
    const vcpu = caller.cspace.lookupForConfigure(args.vcpu, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    if (args.index >= vic.maxVcpus) return GunyahError.ARGUMENT_INVALID;
    vcpu.vic?.release();
    vcpu.vic = vic.retain();
    vcpu.vicIndex = args.index;
    return GunyahError.OK;
  });
  table.add(Hypercall.vgic_set_mpidr_mapping, (caller, args) => {
    const vic = caller.cspace.lookupForConfigure(args.vic, VicObject, OBJECT_ACTIVATE);
    if (typeof vic === "number") return vic;
    if (!vic.isInit) return GunyahError.OBJECT_STATE;
    const mask = args.mask.low;
    return vic.setMpidrMapping({
      shifts: [args.aff0_shift, args.aff1_shift, args.aff2_shift, args.aff3_shift],
      masks: [mask & 0xff, (mask >>> 8) & 0xff, (mask >>> 16) & 0xff, args.mask.high & 0xff],
      multiThread: (args.mt & 1) !== 0,
    });
  });
  // No ITS exists, so no object can be an MSI source.
  table.add(Hypercall.vic_bind_msi_source, (caller, args) => {
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    const source = caller.cspace.lookupAny(args.msi_source, 0);
    return typeof source === "number" ? source : GunyahError.CSPACE_WRONG_OBJECT_TYPE;
  });
  table.add(Hypercall.hwirq_bind_virq, (caller, args) => {
    const hwirq = caller.cspace.lookup(args.hwirq, Hwirq, HwirqRight.BIND_VIC);
    if (typeof hwirq === "number") return hwirq;
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vic.bind(hwirq.source, args.virq_info);
  });
  table.add(Hypercall.hwirq_unbind_virq, (caller, args) => {
    const hwirq = caller.cspace.lookup(args.hwirq, Hwirq, HwirqRight.BIND_VIC);
    if (typeof hwirq === "number") return hwirq;
    hwirq.source.unbind();
    return GunyahError.OK;
  });
}
