/**
 * Hypercalls of doorbells. Source: gunyah-hypervisor hyp/ipc/doorbell/src/hypercalls.c
 */

import { DoorbellRight, GunyahError, Hypercall, VicRight } from "@gunyah-ts/abi";
import type { HypercallTable } from "../hypercall/table.ts";
import { VIC } from "../object/kinds.ts";
import { Doorbell } from "./doorbell.ts";

export function addDoorbellCalls(table: HypercallTable): void {
  table.add(Hypercall.doorbell_bind_virq, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.BIND);
    if (typeof bell === "number") return bell;
    const vic = caller.cspace.lookup(r, 2, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(bell.source, r.low(3));
  });
  table.add(Hypercall.doorbell_unbind_virq, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.BIND);
    if (typeof bell === "number") return bell;
    bell.source.unbind();
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_send, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.SEND);
    if (typeof bell === "number") return bell;
    const { flagsLow, flagsHigh } = bell;
    bell.send(r.low(2), r.high(2));
    r.w[2] = flagsLow;
    r.w[3] = flagsHigh;
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_receive, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    const { flagsLow, flagsHigh } = bell;
    const error = bell.receive(r.low(2), r.high(2));
    r.w[2] = flagsLow;
    r.w[3] = flagsHigh;
    return error;
  });
  table.add(Hypercall.doorbell_reset, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    bell.reset();
    return GunyahError.OK;
  });
  table.add(Hypercall.doorbell_mask, (caller, r) => {
    const bell = caller.cspace.lookup(r, 1, Doorbell, DoorbellRight.RECEIVE);
    if (typeof bell === "number") return bell;
    bell.mask(r.low(2), r.high(2), r.low(3), r.high(3));
    return GunyahError.OK;
  });
}
