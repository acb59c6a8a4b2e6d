/**
 * Hypercalls of doorbells. Source: gunyah-hypervisor hyp/ipc/doorbell/src/hypercalls.c
 */

import { DoorbellRight, GunyahError, Hypercall, VicRight } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { VIC } from "../object/kinds.ts";
import { Doorbell } from "./doorbell.ts";

export function addDoorbellCalls(table: HypercallTable): void {
  table.add(Hypercall.doorbell_bind_virq, (caller, args) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.BIND);
    if (typeof bell === "number") return bell;
    const vic = caller.cspace.lookup(args.vic, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(bell.source, args.virq_info);
  });
  table.add(Hypercall.doorbell_unbind_virq, (caller, args) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.BIND);
    if (typeof bell === "number") return bell;
    bell.source.unbind();
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_send, (caller, args, results) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.SEND);
    if (typeof bell === "number") return bell;
    const { flagsLow, flagsHigh } = bell;
    bell.send(args.new_flags.low, args.new_flags.high);
    results.old_flags.setHalves(flagsLow, flagsHigh);
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_receive, (caller, args, results) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    const { flagsLow, flagsHigh } = bell;
    const error = bell.receive(args.clear_flags.low, args.clear_flags.high);
    results.old_flags.setHalves(flagsLow, flagsHigh);
    return error;
  });
  table.add(Hypercall.doorbell_reset, (caller, args) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    bell.reset();
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_mask, (caller, args) => {
    const bell = caller.cspace.lookup(args.doorbell, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    bell.mask(args.enable_mask.low, args.enable_mask.high, args.ack_mask.low, args.ack_mask.high);
    return GunyahError.OK;
  });
}
