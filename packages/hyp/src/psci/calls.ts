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
  table.add(Hypercall.vpm_group_configure, (caller, args) => {
    if (VpmGroupFlags.reserved(args.flags) !== 0 || args.word("flags").high !== 0) return GunyahError.ARGUMENT_INVALID;
    const group = caller.cspace.lookupForConfigure(args.vpm_group, VpmGroup, OBJECT_ACTIVATE);
    if (typeof group === "number") return group;
    if (!group.isInit) return GunyahError.OBJECT_STATE;
    group.flags = args.flags;
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_attach_vcpu, (caller, args) => {
    const group = caller.cspace.lookup(args.vpm_group, VpmGroup, VpmGroupRight.ATTACH_VCPU);
    if (typeof group === "number") return group;
    const vcpu = caller.cspace.lookupForConfigure(args.vcpu, Vcpu, OBJECT_ACTIVATE);
    if (typeof vcpu === "number") return vcpu;
    if (!vcpu.isInit) return GunyahError.OBJECT_STATE;
    if (args.index >= MAX_VCPUS) return GunyahError.ARGUMENT_INVALID;
    vcpu.vpmGroup?.release();
    vcpu.vpmGroup = group.retain();
    vcpu.vpmIndex = args.index;
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_bind_virq, (caller, args) => {
    const group = caller.cspace.lookup(args.vpm_group, VpmGroup, VpmGroupRight.BIND_VIRQ);
    if (typeof group === "number") return group;
    const vic = caller.cspace.lookup(args.vic, VicObject, VicRight.BIND_SOURCE);
    if (typeof vic === "number") return vic;
    return vic.bind(group.virq, args.virq_info);
  });
  table.add(Hypercall.vpm_group_unbind_virq, (caller, args) => {
    const group = caller.cspace.lookup(args.vpm_group, VpmGroup, VpmGroupRight.BIND_VIRQ);
    if (typeof group === "number") return group;
    group.virq.unbind();
    return GunyahError.OK;
  });
  table.add(Hypercall.vpm_group_get_state, (caller, args, results) => {
    const group = caller.cspace.lookup(args.vpm_group, VpmGroup, VpmGroupRight.QUERY);
    if (typeof group === "number") return group;
    results.state.num = group.vpmState();
    return GunyahError.OK;
  });
}
