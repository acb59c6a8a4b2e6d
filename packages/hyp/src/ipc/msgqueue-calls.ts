/**
 * Hypercalls of message queues. Source: gunyah-hypervisor hyp/ipc/msgqueue/src/hypercalls.c
 */

import { GunyahError, Hypercall, MsgqueueRight, MsgqueueSendFlag, OBJECT_ACTIVATE, VicRight } from "@gunyah-ts/abi";
import type { HypercallHandler, HypercallTable } from "../hypercall/table.ts";
import { VIC } from "../object/kinds.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { Msgqueue } from "./msgqueue.ts";

type SourceOf = (queue: Msgqueue) => VirqSource;
const SEND: SourceOf = (queue) => queue.sendSource;
const RECEIVE: SourceOf = (queue) => queue.receiveSource;

function bind(right: number, source: SourceOf): HypercallHandler<typeof Hypercall.msgqueue_bind_send_virq> {
  return (caller, args) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, right);
    if (typeof queue === "number") return queue;
    const vic = caller.cspace.lookup(args.vic, VIC, VicRight.BIND_SOURCE);
    return typeof vic === "number" ? vic : vic.bindShared(source(queue), args.virq_info);
  };
}

function unbind(right: number, source: SourceOf): HypercallHandler<typeof Hypercall.msgqueue_unbind_send_virq> {
  return (caller, args) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, right);
    if (typeof queue === "number") return queue;
    source(queue).unbind();
    return GunyahError.OK;
  };
}

/** Whether the word is the -1 of "leave the hold-off as it is". A count is 32 bits wide. */
function isUnchanged(word: number): boolean {
  return word === 0xffff_ffff;
}

export function addMsgqueueCalls(table: HypercallTable): void {
  table.add(Hypercall.msgqueue_bind_send_virq, bind(MsgqueueRight.BIND_SEND, SEND));
  table.add(Hypercall.msgqueue_bind_receive_virq, bind(MsgqueueRight.BIND_RECEIVE, RECEIVE));
  table.add(Hypercall.msgqueue_unbind_send_virq, unbind(MsgqueueRight.BIND_SEND, SEND));
  table.add(Hypercall.msgqueue_unbind_receive_virq, unbind(MsgqueueRight.BIND_RECEIVE, RECEIVE));
  table.add(Hypercall.msgqueue_send, (caller, args, results) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, MsgqueueRight.SEND);
    if (typeof queue === "number") return queue;
    const error = queue.send(caller, args.data, args.size, (args.send_flags & MsgqueueSendFlag.PUSH) !== 0);
    results.not_full = queue.isFull ? 0 : 1;
    return error;
  });
  table.add(Hypercall.msgqueue_receive, (caller, args, results) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    const error = queue.receive(caller, args.buffer, args.max_size);
    results.size = queue.receivedSize;
    results.not_empty = queue.count > 0 ? 1 : 0;
    return error;
  });
  table.add(Hypercall.msgqueue_flush, (caller, args) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    queue.flush();
    return GunyahError.OK;
  });
  table.add(Hypercall.msgqueue_configure_send, (caller, args) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, MsgqueueRight.SEND);
    if (typeof queue === "number") return queue;
    return isUnchanged(args.not_full_holdoff.low)
      ? queue.setNotFull(args.not_full_threshold.low)
      : GunyahError.UNIMPLEMENTED;
  });
  table.add(Hypercall.msgqueue_configure_receive, (caller, args) => {
    const queue = caller.cspace.lookup(args.msgqueue, Msgqueue, MsgqueueRight.RECEIVE);
    if (typeof queue === "number") return queue;
    return isUnchanged(args.not_empty_holdoff.low)
      ? queue.setNotEmpty(args.not_empty_threshold.low)
      : GunyahError.UNIMPLEMENTED;
  });
  table.add(Hypercall.msgqueue_configure, (caller, args) => {
    const queue = caller.cspace.lookupForConfigure(args.msgqueue, Msgqueue, OBJECT_ACTIVATE);
    if (typeof queue === "number") return queue;
    if (!queue.isInit) return GunyahError.OBJECT_STATE;
    const info = args.create_info;
    return queue.configure(info & 0xffff, info >>> 16);
  });
}
