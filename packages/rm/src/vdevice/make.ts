import {
  Access,
  DoorbellRight,
  Hypercall,
  HypResourceType,
  MsgqueueRight,
  RM_MESSAGE_SIZE,
  RM_QUEUE_DEPTH,
  RmError,
  RmVmid,
  VirtioMmioRight,
} from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { Interrupt, VdeviceConfig, VdeviceOf } from "../config/vdevices.ts";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { Objects } from "../hypercall/index.ts";
import { connect } from "../rpc/connect.ts";
import type { Undo } from "../undo.ts";
import { firstFree, VMMIO_RANGE } from "../vm/ranges.ts";
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
      return makeVirtioMmio(rm, vm, config);
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

/** virtio_option_flags: the device type counts. */
const VALID_DEVICE_TYPE = 0x40;
const REGISTERS_SIZE = 4096;

/**
 * The guest is the front-end, its owner the back-end. The register page is the RM's own: the guest reads it, its stores
 * trap to the hypervisor, and the owner writes what the device is. Both find their interrupts allocated, whatever the
 * tree says, as in the source.
 * Source: gunyah-resource-manager src/vm_config/vm_config.c, add_virtio_mmio, create_virtio_mmio
 */
function makeVirtioMmio(rm: RmContext, vm: Vm, config: VdeviceOf<"virtio-mmio">): Vdevice {
  const { hvc, objects } = rm;
  const undo = vm.undoVdevices;
  const backend = peerOf(rm, vm, config);
  const page = rm.pages.take();
  check(page !== undefined, RmError.NORESOURCE, "no page for registers");
  undo.push(() => rm.pages.giveBack(page));
  check(rm.vcpu.fill(page, REGISTERS_SIZE, 0), RmError.NORESOURCE, "page for registers cannot be written");
  const memextent = objects.registerPage(page - rm.board.rootVm.base);
  undo.push(() => objects.destroy(memextent));
  const flags = config.deviceType === undefined ? 0 : VALID_DEVICE_TYPE;
  const inputs = { memextent, vqs_num: config.vqs, flags, device_type: config.deviceType ?? 0 };
  const device = objects.make("virtio_mmio", (virtio_mmio) =>
    must("virtio_mmio_configure", hvc.call(Hypercall.virtio_mmio_configure, { virtio_mmio, ...inputs }).error),
  );
  undo.push(() => objects.destroy(device));
  const base = placeRegisters(rm, undo, vm, memextent, Access.R);
  const backendBase = placeRegisters(rm, undo, backend, memextent, Access.RW);
  // Each source is the side's that asserts it: the other one hears it.
  const source = { virtio_mmio: device };
  const interrupt = bindVirq(
    vm,
    undo,
    undefined,
    (vic, virq_info) => hvc.call(Hypercall.virtio_mmio_backend_bind_virq, { ...source, vic, virq_info }).error,
  );
  const backendInterrupt = bindVirq(
    backend,
    undo,
    undefined,
    (vic, virq_info) => hvc.call(Hypercall.virtio_mmio_frontend_bind_virq, { ...source, vic, virq_info }).error,
  );
  offer(rm, vm, backend, {
    type: HypResourceType.VIRTIO_MMIO,
    label: config.label,
    capId: giveTo(rm, undo, backend, device, VirtioMmioRight.CONFIG | VirtioMmioRight.ASSERT_VIRQ),
    virq: backendInterrupt.virq,
    virqHandle: rm.nextHandle(),
    base: BigInt(backendBase),
    size: BigInt(REGISTERS_SIZE),
  });
  return {
    config,
    handle: rm.nextHandle(),
    peerVmid: backend.vmid,
    caps: [],
    interrupts: [interrupt],
    registers: { base, size: REGISTERS_SIZE },
  };
}

/** Map registers where the VM has nothing: in a guest beside its memory and the VMM's devices, in a host above DRAM. */
function placeRegisters(rm: RmContext, undo: Undo, vm: Vm, extent: CapId, access: number): Ipa {
  const { addrspace } = objectsOf(vm);
  const { config, ranges, demandPaged, layout } = vm;
  const memory = config === undefined ? [] : [{ base: config.memory.base, size: config.memory.sizeMax }];
  const from = config === undefined ? rm.board.dram.base + rm.board.dram.size : VMMIO_RANGE.size;
  const taken = [...ranges, ...demandPaged, ...layout.values()];
  // Memory without a limit of its own may span all that is left; then beside what is there so far.
  const base = firstFree([...taken, ...memory], from, REGISTERS_SIZE) ?? firstFree(taken, from, REGISTERS_SIZE);
  const release = base === undefined ? undefined : vm.reserve(base, REGISTERS_SIZE, "virtio-mmio");
  check(base !== undefined && release !== undefined, RmError.NORESOURCE, "no address for registers");
  undo.push(release);
  must("map registers", rm.objects.mapRegisters(addrspace, extent, base, access), RmError.NORESOURCE);
  undo.push(() => rm.objects.unmapRegisters(addrspace, extent, base));
  return base;
}
