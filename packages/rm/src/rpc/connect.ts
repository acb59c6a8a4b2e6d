import { Hypercall, MsgqueueRight, RmError } from "@gunyah-ts/abi";
import type { CapId, Intid } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { Objects } from "../hypercall/index.ts";
import type { Undo } from "../undo.ts";
import type { Vm, VmObjects } from "../vm/vm.ts";
import { RpcClient } from "./client.ts";

export interface Line {
  /** In the VM's capability space: send to the RM, receive from it. */
  readonly txCap: CapId;
  readonly rxCap: CapId;
  /** "Not full" and "not empty" interrupts of the VM. */
  readonly txVirq: Intid;
  readonly rxVirq: Intid;
}

/** Make the pair of message queues between a VM and the RM. Pushes what takes it apart again on `undo`. */
export function connect(
  rm: RmContext,
  vm: Vm,
  undo: Undo,
  wanted: {
    readonly depth: number;
    readonly size: number;
    readonly txVirq?: Intid | undefined;
    readonly rxVirq?: Intid | undefined;
  },
): Line {
  const { cspace, vic } = vm.objects as VmObjects;
  const { objects, hvc } = rm;
  const queue = (): CapId => {
    const cap = objects.messageQueue(wanted.depth, wanted.size);
    undo.push(() => objects.destroy(cap));
    return cap;
  };
  const virq = (number: Intid | undefined): Intid => {
    if (number !== undefined) check(vm.virqs.take(number), RmError.NORESOURCE, `virq ${number} is taken`);
    const taken = number ?? vm.virqs.allocate();
    undo.push(() => vm.virqs.free(taken));
    return taken;
  };
  const fromClient = queue();
  const toClient = queue();
  const txVirq = virq(wanted.txVirq);
  const rxVirq = virq(wanted.rxVirq);
  const bindSend = (msgqueue: CapId, to: CapId, info: number) =>
    hvc.call(Hypercall.msgqueue_bind_send_virq, { msgqueue, vic: to, virq_info: info }).error;
  const bindReceive = (msgqueue: CapId, to: CapId, info: number) =>
    hvc.call(Hypercall.msgqueue_bind_receive_virq, { msgqueue, vic: to, virq_info: info }).error;
  must("bind tx virq", bindSend(fromClient, vic, Objects.virq(txVirq)));
  must("bind rx virq", bindReceive(toClient, vic, Objects.virq(rxVirq)));

  const client: RpcClient = new RpcClient(hvc, {
    vmid: vm.vmid,
    fromClient,
    toClient,
    buffer: rm.buffer,
    onRequest: (header, payload) => rm.dispatch(vm, client, header, payload),
    onEntry: (direction, bytes) => rm.traceEntry(vm.vmid, direction, bytes),
  });
  undo.push(
    rm.listen(
      (to, info) => bindReceive(fromClient, to, info),
      () => client.onReceive(),
    ),
  );
  undo.push(
    rm.listen(
      (to, info) => bindSend(toClient, to, info),
      () => client.onSendReady(),
    ),
  );
  vm.client = client;
  undo.push(() => {
    client.close();
    vm.client = undefined;
  });
  return {
    txCap: objects.copy(fromClient, cspace, MsgqueueRight.SEND),
    rxCap: objects.copy(toClient, cspace, MsgqueueRight.RECEIVE),
    txVirq,
    rxVirq,
  };
}
