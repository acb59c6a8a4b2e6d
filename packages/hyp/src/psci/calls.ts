/**
 * Hypercalls of VPM groups. Source: gunyah-hypervisor hyp/vm/vpm_base/src/hypercalls.c
 */

import { GunyahError, Hypercall, OBJECT_ACTIVATE, VicRight, VpmGroupFlags, VpmGroupRight } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { Vcpu } from "../vcpu/vcpu.ts";
import { MAX_VCPUS } from "../vgic/vgic.ts";
import { VicObject } from "../vgic/vic-object.ts";
import { VpmGroup } from "./vpm-group.ts";

export function addVpmGroupCalls(table: HypercallTable): void {
  table.add(Hypercall.vpm_group_configure, (caller, r) => {
    if (VpmGroupFlags.reserved(r.low(2)) !== 0 || r.high(2) !== 0) return GunyahError.ARGUMENT_INVALID;
    const group = caller.cspace.lookupForConfigure(r, 1, VpmGroup, OBJECT_ACTIVATE);
    if (typeof group === "number") return group;
    if (!group.isInit) return GunyahError.OBJECT_STATE;
    group.flags = r.low(2);
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_attach_vcpu, (caller, r) => {
    const group = caller.cspace.lookup(r, 1, VpmGroup, VpmGroupRight.ATTACH_VCPU);
    if (typeof group === "number") return group;
    const vcpu = caller.cspace.lookupForConfigure(r, 2, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    if (r.low(3) >= MAX_VCPUS) return GunyahError.ARGUMENT_INVALID;
    vcpu.vpmGroup?.release();
    vcpu.vpmGroup = group.retain();
    vcpu.vpmIndex = r.low(3);
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_bind_virq, (caller, r) => {
    const group = caller.cspace.lookup(r, 1, VpmGroup, VpmGroupRight.BIND_VIRQ);
    if (typeof group === "number") return group;
    const vic = caller.cspace.lookup(r, 2, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vic.bind(group.virq, r.low(3));
  });
  table.add(Hypercall.vpm_group_unbind_virq, (caller, r) => {
    const group = caller.cspace.lookup(r, 1, VpmGroup, VpmGroupRight.BIND_VIRQ);
    if (typeof group === "number") return group;
    group.virq.unbind();
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_get_state, (caller, r) => {
    const group = caller.cspace.lookup(r, 1, VpmGroup, VpmGroupRight.QUERY);
    if (typeof group === "number") return group;
    r.set(1, group.vpmState());
    return GunyahError.OK;
  });
}
