/**
 * Hypercalls of message queues. Source: gunyah-hypervisor hyp/ipc/msgqueue/src/hypercalls.c
 */

import { GunyahError, Hypercall, MsgqueueRight, OBJECT_ACTIVATE, VicRight } from "@gunyah-ts/abi";
import type { HypercallHandler, HypercallTable } from "../hypercall/table.ts";
import { VIC } from "../object/kinds.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { Msgqueue } from "./msgqueue.ts";

type SourceOf = (queue: Msgqueue) => VirqSource;
const SEND: SourceOf = (queue) => queue.sendSource;
const RECEIVE: SourceOf = (queue) => queue.receiveSource;

/** X1 queue, X2 vic, X3 virq_info. */
function bind(right: number, source: SourceOf): HypercallHandler {
  return (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, right);
    if (typeof queue === "number") return queue;
    const vic = caller.cspace.lookup(r, 2, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(source(queue), r.low(3));
  };
}

function unbind(right: number, source: SourceOf): HypercallHandler {
  return (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, right);
    if (typeof queue === "number") return queue;
    source(queue).unbind();
    return GunyahError.OK;
  };
}

/** Whether X<i> is the -1 of "leave the hold-off as it is". A count is 32 bits wide. */
function isUnchanged(word: number): boolean {
  return word === 0xffff_ffff;
}

export function addMsgqueueCalls(table: HypercallTable): void {
  table.add(Hypercall.msgqueue_bind_send_virq, bind(MsgqueueRight.BIND_SEND, SEND));
  table.add(Hypercall.msgqueue_bind_receive_virq, bind(MsgqueueRight.BIND_RECEIVE, RECEIVE));
  table.add(Hypercall.msgqueue_unbind_send_virq, unbind(MsgqueueRight.BIND_SEND, SEND));
  table.add(Hypercall.msgqueue_unbind_receive_virq, unbind(MsgqueueRight.BIND_RECEIVE, RECEIVE));
  table.add(Hypercall.msgqueue_send, (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, MsgqueueRight.SEND);
    if (typeof queue === "number") return queue;
    const error = queue.send(caller, r.va(3), r.num(2), (r.low(4) & 1) !== 0);
    r.set(1, queue.isFull ? 0 : 1);
    return error;
  });
  table.add(Hypercall.msgqueue_receive, (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    const error = queue.receive(caller, r.va(2), r.num(3));
    r.set(1, queue.receivedSize);
    r.set(2, queue.count > 0 ? 1 : 0);
    return error;
  });
  table.add(Hypercall.msgqueue_flush, (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    queue.flush();
    return GunyahError.OK;
  });
  table.add(Hypercall.msgqueue_configure_send, (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, MsgqueueRight.SEND);
    if (typeof queue === "number") return queue;
    return isUnchanged(r.low(3)) ? queue.setNotFull(r.low(2)) : GunyahError.UNIMPLEMENTED;
  });
  table.add(Hypercall.msgqueue_configure_receive, (caller, r) => {
    const queue = caller.cspace.lookup(r, 1, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    return isUnchanged(r.low(3)) ? queue.setNotEmpty(r.low(2)) : GunyahError.UNIMPLEMENTED;
  });
  table.add(Hypercall.msgqueue_configure, (caller, r) => {
    const queue = caller.cspace.lookupForConfigure(r, 1, Msgqueue, OBJECT_ACTIVATE);
    if (typeof queue === "number") return queue;
    if (!queue.isInit) return GunyahError.OBJECT_STATE;
    const info = r.low(2);
    return queue.configure(info & 0xffff, info >>> 16);
  });
}
