import {
  DoorbellRight,
  Hypercall,
  HypResourceType,
  MsgqueueRight,
  RM_MESSAGE_SIZE,
  RM_QUEUE_DEPTH,
  RmError,
  RmVmid,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import type { Interrupt, VdeviceConfig, VdeviceOf } from "../config/vdevices.ts";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { Objects } from "../hypercall/index.ts";
import { connect } from "../rpc/connect.ts";
import type { Undo } from "../undo.ts";
import type { HypResourceValue, Vm, VmObjects } from "../vm/vm.ts";
import type { Vdevice } from "./vdevice.ts";

/**
 * Make the objects of a guest's virtual devices and offer the other ends to their peers.
 * Any failure becomes NORESOURCE in VM_INIT.
 * Source: gunyah-resource-manager src/vm_config/vm_config.c, vm_config_create_vdevices
 */
export function makeVdevice(rm: RmContext, vm: Vm, config: VdeviceConfig): Vdevice | undefined {
  switch (config.type) {
    case "doorbell":
    case "doorbell-source":
      return makeDoorbell(rm, vm, config);
    case "message-queue":
      return makeMessageQueue(rm, vm, config);
    case "message-queue-pair":
      return makeMessageQueuePair(rm, vm, config);
    case "rm-rpc":
      return makeRmRpc(rm, vm, config);
    case "shm":
    case "shm-doorbell":
      return makeShm(rm, vm, config);
    case "virtio-mmio":
    case "vrtc-pl031":
    case "iomem":
    case "vsmmu-v2":
      check(false, RmError.NORESOURCE, `${config.type} needs hardware or a backend that this platform lacks`);
  }
}

/** The VM at the other end. NORESOURCE when no VM of that identity exists. */
function peerOf(rm: RmContext, vm: Vm, config: VdeviceConfig): Vm {
  const peer = config.peer === undefined ? rm.vms.get(vm.owner) : findPeer(rm, config.peer);
  check(peer?.objects !== undefined, RmError.NORESOURCE, `no peer for ${config.path}`);
  vm.peers.add(peer.vmid);
  peer.peers.add(vm.vmid);
  return peer;
}
function findPeer(rm: RmContext, identity: string): Vm | undefined {
  const [kind, ...rest] = identity.split(":");
  const text = rest.join(":");
  for (const vm of rm.vms) {
    if (kind === "vm-name" && vm.name === text) return vm;
    if (kind === "vm-uri" && vm.uri === text) return vm;
    if (kind === "vm-guid" && vm.guid?.toLowerCase() === text.toLowerCase()) return vm;
  }
  return undefined;
}

const objectsOf = (vm: Vm): VmObjects => vm.objects as VmObjects;

/** A capability for one end. Revoking alone would leave its slot in that VM's space taken, so it is deleted too. */
function giveTo(rm: RmContext, undo: Undo, to: Vm, cap: CapId, rights: number): CapId {
  const { cspace } = objectsOf(to);
  const copy = rm.objects.copy(cap, cspace, rights);
  undo.push(() => rm.objects.remove(cspace, copy));
  return copy;
}

/** The interrupt that the tree asks for, or a free one; bound to a source. */
function bindVirq(
  vm: Vm,
  undo: Undo,
  wanted: Interrupt | undefined,
  bind: (vic: CapId, virqInfo: number) => number,
): Interrupt {
  const virq = wanted?.virq ?? vm.virqs.allocate();
  if (wanted !== undefined) check(vm.virqs.take(virq), RmError.NORESOURCE, `virq ${virq} is taken`);
  undo.push(() => vm.virqs.free(virq));
  must("bind virq", bind(objectsOf(vm).vic, Objects.virq(virq)), RmError.NORESOURCE);
  return wanted ?? { virq, trigger: "edge" };
}

/** Offer one end to a VM, as an entry of VM_GET_HYP_RESOURCES. */
export function offer(
  rm: RmContext,
  vm: Vm,
  viewer: Vm,
  resource: Pick<HypResourceValue, "type" | "label" | "capId"> & Partial<HypResourceValue>,
): void {
  vm.resources.push({
    viewer: viewer.vmid,
    resource: {
      partnerVmid: vm.vmid,
      handle: rm.nextHandle(),
      virqHandle: 0,
      virq: 0,
      base: 0n,
      size: 0n,
      ...resource,
    },
  });
}

function makeDoorbell(rm: RmContext, vm: Vm, config: VdeviceOf<"doorbell"> | VdeviceOf<"doorbell-source">): Vdevice {
  const peer = peerOf(rm, vm, config);
  const undo = vm.undoVdevices;
  const bell = rm.objects.doorbell();
  undo.push(() => rm.objects.destroy(bell));
  const [receiver, sender] = config.type === "doorbell" ? [vm, peer] : [peer, vm];
  const interrupt = bindVirq(
    receiver,
    undo,
    config.interrupts?.[0],
    (vic, virq_info) => rm.hvc.call(Hypercall.doorbell_bind_virq, { doorbell: bell, vic, virq_info }).error,
  );
  const sendRights = DoorbellRight.SEND | (config.sourceCanClear ? DoorbellRight.RECEIVE : 0);
  const sendCap = giveTo(rm, undo, sender, bell, sendRights);
  const receiveCap = giveTo(rm, undo, receiver, bell, DoorbellRight.RECEIVE);
  const isReceiver = receiver === vm;
  offer(rm, vm, peer, {
    type: isReceiver ? HypResourceType.DOORBELL_SRC : HypResourceType.DOORBELL,
    label: config.label,
    capId: isReceiver ? sendCap : receiveCap,
    virq: isReceiver ? 0 : interrupt.virq,
    virqHandle: isReceiver ? 0 : rm.nextHandle(),
  });
  return {
    config,
    handle: rm.nextHandle(),
    peerVmid: peer.vmid,
    caps: [isReceiver ? receiveCap : sendCap],
    interrupts: isReceiver ? [interrupt] : [],
  };
}

/** One direction: a queue, both ends' capabilities, both ends' interrupts. */
function makeQueue(
  rm: RmContext,
  undo: Undo,
  sender: Vm,
  receiver: Vm,
  geometry: { readonly queueDepth: number; readonly messageSize: number },
  wanted: { readonly send?: Interrupt | undefined; readonly receive?: Interrupt | undefined },
) {
  const queue = rm.objects.messageQueue(geometry.queueDepth, geometry.messageSize);
  undo.push(() => rm.objects.destroy(queue));
  const sendIrq = bindVirq(
    sender,
    undo,
    wanted.send,
    (vic, virq_info) => rm.hvc.call(Hypercall.msgqueue_bind_send_virq, { msgqueue: queue, vic, virq_info }).error,
  );
  const receiveIrq = bindVirq(
    receiver,
    undo,
    wanted.receive,
    (vic, virq_info) => rm.hvc.call(Hypercall.msgqueue_bind_receive_virq, { msgqueue: queue, vic, virq_info }).error,
  );
  const sendCap = giveTo(rm, undo, sender, queue, MsgqueueRight.SEND);
  const receiveCap = giveTo(rm, undo, receiver, queue, MsgqueueRight.RECEIVE);
  return { sendCap, receiveCap, sendIrq, receiveIrq };
}

function makeMessageQueue(rm: RmContext, vm: Vm, config: VdeviceOf<"message-queue">): Vdevice {
  const peer = peerOf(rm, vm, config);
  const [sender, receiver] = config.isSender ? [vm, peer] : [peer, vm];
  const own = config.interrupts?.[0];
  const queue = makeQueue(
    rm,
    vm.undoVdevices,
    sender,
    receiver,
    config,
    config.isSender ? { send: own } : { receive: own },
  );
  offer(rm, vm, peer, {
    type: config.isSender ? HypResourceType.MSG_QUEUE_RECV : HypResourceType.MSG_QUEUE_SEND,
    label: config.label,
    capId: config.isSender ? queue.receiveCap : queue.sendCap,
    virqHandle: rm.nextHandle(),
    virq: (config.isSender ? queue.receiveIrq : queue.sendIrq).virq,
  });
  return {
    config,
    handle: rm.nextHandle(),
    peerVmid: peer.vmid,
    caps: [config.isSender ? queue.sendCap : queue.receiveCap],
    interrupts: [config.isSender ? queue.sendIrq : queue.receiveIrq],
  };
}

function makeMessageQueuePair(rm: RmContext, vm: Vm, config: VdeviceOf<"message-queue-pair">): Vdevice {
  const peer = peerOf(rm, vm, config);
  const [txWanted, rxWanted] = config.interrupts ?? [];
  const tx = makeQueue(rm, vm.undoVdevices, vm, peer, config, { send: txWanted });
  const rx = makeQueue(rm, vm.undoVdevices, peer, vm, config, { receive: rxWanted });
  const { label } = config;
  offer(rm, vm, peer, {
    type: HypResourceType.MSG_QUEUE_SEND,
    label,
    capId: rx.sendCap,
    virqHandle: rm.nextHandle(),
    virq: rx.sendIrq.virq,
  });
  offer(rm, vm, peer, {
    type: HypResourceType.MSG_QUEUE_RECV,
    label,
    capId: tx.receiveCap,
    virqHandle: rm.nextHandle(),
    virq: tx.receiveIrq.virq,
  });
  return {
    config,
    handle: rm.nextHandle(),
    peerVmid: peer.vmid,
    caps: [tx.sendCap, rx.receiveCap],
    interrupts: [tx.sendIrq, rx.receiveIrq],
  };
}

/** The VM's own line to the RM. Its messages are what every client's are, whatever depth it asked for. */
function makeRmRpc(rm: RmContext, vm: Vm, config: VdeviceOf<"rm-rpc">): Vdevice {
  check(vm.client === undefined, RmError.NORESOURCE, "a second rm-rpc");
  const [tx, rx] = config.interrupts ?? [];
  const line = connect(rm, vm, vm.undoVdevices, {
    depth: config.queueDepth === 0 ? RM_QUEUE_DEPTH : config.queueDepth,
    size: Math.max(config.messageSize, RM_MESSAGE_SIZE),
    txVirq: tx?.virq,
    rxVirq: rx?.virq,
  });
  if (config.isConsole) rm.consoles.add(vm.vmid);
  vm.undoVdevices.push(() => rm.consoles.remove(vm.vmid));
  return {
    config,
    handle: rm.nextHandle(),
    peerVmid: RmVmid.RM,
    caps: [line.txCap, line.rxCap],
    interrupts: [
      { virq: line.txVirq, trigger: "edge" },
      { virq: line.rxVirq, trigger: "edge" },
    ],
  };
}

/** Shared memory is accepted at VM_START, when the parcel with its label is there; its doorbells exist from now on. */
function makeShm(rm: RmContext, vm: Vm, config: VdeviceOf<"shm"> | VdeviceOf<"shm-doorbell">): Vdevice {
  const peer = peerOf(rm, vm, config);
  const shared = { config, handle: rm.nextHandle(), peerVmid: peer.vmid };
  if (config.type === "shm") return { ...shared, caps: [], interrupts: [] };
  const bell = { ...config, sourceCanClear: false };
  const toPeer = makeDoorbell(rm, vm, { ...bell, type: "doorbell-source", interrupts: undefined });
  const toVm = makeDoorbell(rm, vm, { ...bell, type: "doorbell" });
  return { ...shared, caps: [toPeer.caps[0] as CapId, toVm.caps[0] as CapId], interrupts: toVm.interrupts };
}
