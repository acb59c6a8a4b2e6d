import { GicFrame, RmError } from "@gunyah-ts/abi";
import { cells, cells64, type DeviceNode, type DeviceTree, EMPTY, strings } from "@gunyah-ts/devicetree";
import type { GuestConfig } from "../config/guest-config.ts";
import { specifier } from "../config/property.ts";
import type { RmContext } from "../context.ts";
import { check } from "../errors.ts";
import type { Vdevice } from "../vdevice/vdevice.ts";
import { merge } from "../vm/ranges.ts";
import type { IpaRange, Vm } from "../vm/vm.ts";
import { hypervisorNode, vmIdNode } from "./hypervisor.ts";

/**
 * What the RM adds to a guest's tree before it starts.
 * Errors: DENIED when /hypervisor is there already
 * Differs: a tree without /chosen gets the node. The source refuses it (NORESOURCE), though nothing else in it is needed.
 * Source: gunyah-resource-manager src/vm_dt/vm_dt.c, src/vm_creation/dto_construct.c
 */
export function writeGuestOverlay(
  rm: RmContext,
  vm: Vm,
  config: GuestConfig,
  tree: DeviceTree,
  memory: readonly IpaRange[],
  vdevices: readonly Vdevice[],
): void {
  check(tree.find("/hypervisor") === undefined, RmError.DENIED, "/hypervisor exists");
  const { addressCells, sizeCells } = tree.root;
  const known = (count: number): boolean => count === 1 || count === 2;
  check(known(addressCells) && known(sizeCells), RmError.NORESOURCE, "cells of the root");

  const hypervisor = hypervisorNode(tree, ["gunyah-hypervisor"]);
  const id = vmIdNode(hypervisor, vm.vmid, config.vendor);
  id.set("qcom,owner-vmid", vm.owner).set("qcom,image-name", config.imageName);
  if (config.uri !== undefined) id.set("qcom,vm-uri", config.uri);
  if (config.guid !== undefined) id.set("qcom,vm-guid", config.guid);

  memoryNode(tree, memory);
  for (const vdevice of vdevices) vdeviceNode(tree, vdevice);
  tree.ensure("/chosen").set("kaslr-seed", cells64(seed(rm)));
  const vsoc = tree.root.ensureChild("vsoc");
  if (!vsoc.has("compatible"))
    vsoc.set("#address-cells", 2).set("#size-cells", 2).set("ranges", EMPTY).set("compatible", "simple-bus");
  if (!config.psci) vcpuNodes(rm, vm, config, tree);
  if (config.gic.isAllocated) gicNode(tree, config);
}

/** 64 random bits from the hypervisor. */
function seed(rm: RmContext): bigint {
  const { data0, data1 } = rm.entropy(8);
  return (BigInt(data1) << 32n) | BigInt(data0);
}

/** `reg` replaces whatever the tree had: memory is where it was accepted, and where it will come on demand. */
function memoryNode(tree: DeviceTree, memory: readonly IpaRange[]): void {
  const node = tree.root.ensureChild("memory").set("device_type", "memory");
  const { addressCells, sizeCells } = tree.root;
  node.set(
    "reg",
    join(merge(memory).flatMap(({ base, size }) => [number(base, addressCells), number(size, sizeCells)])),
  );
}

const number = (value: number, count: number): Uint8Array =>
  count === 1 ? cells(value) : join([new Uint8Array(4 * (count - 2)), cells64(value)]);

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function vdeviceNode(tree: DeviceTree, vdevice: Vdevice): void {
  const { config, caps, interrupts } = vdevice;
  const unit =
    caps[0] === undefined ? (vdevice.memory?.base ?? 0).toString(16) : caps[0].toString(16).padStart(16, "0");
  const compatible = (...names: string[]): Uint8Array => strings(...config.pushCompatible, ...names);
  const make = (): DeviceNode => {
    const slash = config.generate.lastIndexOf("/");
    const parent = tree.ensure(config.generate.slice(0, slash) || "/");
    const node = parent.addChild(`${config.generate.slice(slash + 1)}@${unit}`);
    node.set("qcom,label", config.label).set("label", config.label).set("qcom,vdevice-handle", vdevice.handle);
    if (caps.length > 0) node.set("reg", cells64(...caps));
    if (interrupts.length > 0) node.set("interrupts", join(interrupts.map((i) => specifier(i.virq, i.trigger))));
    node.set("peer", vdevice.peerVmid);
    return node;
  };
  switch (config.type) {
    case "doorbell":
      make().set("compatible", compatible("qcom,gunyah-doorbell", "qcom,gunyah-capability"));
      return;
    case "doorbell-source":
      make().set("compatible", compatible("qcom,gunyah-doorbell-source", "qcom,gunyah-capability"));
      return;
    case "message-queue":
      make()
        .set("compatible", compatible("qcom,gunyah-message-queue", "qcom,gunyah-capability"))
        .set(config.isSender ? "is-sender" : "is-receiver", EMPTY)
        .set("tx_message_size", config.messageSize)
        .set("tx_queue_depth", config.queueDepth);
      return;
    case "message-queue-pair":
    case "rm-rpc": {
      const own = ["qcom,gunyah-message-queue-pair", "qcom,gunyah-message-queue", "qcom,gunyah-capability"];
      const rm = ["gunyah-resource-manager", "qcom,resource-manager", "qcom,resource-manager-1-0"];
      const node = make().set("compatible", compatible(...(config.type === "rm-rpc" ? [...rm, ...own] : own)));
      node.set("qcom,is-full-duplex", EMPTY).set("qcom,free-irq-start", 0);
      queueProperties(node, config.messageSize, config.queueDepth);
      if (config.type === "rm-rpc" && config.isConsole) node.set("qcom,console-dev", EMPTY);
      return;
    }
    case "shm":
    case "shm-doorbell": {
      if (vdevice.memory === undefined) return;
      const node = make();
      const buffer = sharedBuffer(tree, vdevice);
      node.set("compatible", compatible(config.type === "shm" ? "qcom,shared-memory" : "qcom,gunyah-shm-doorbell"));
      node.set("memory-region", buffer).set("buffer", buffer);
      if (config.dmaBase !== undefined) node.set("dma_base", config.dmaBase);
      const [tx, rx] = caps;
      if (tx !== undefined) node.set("tx-doorbell", cells64(tx));
      if (rx !== undefined) node.set("rx-doorbell", cells64(rx));
      return;
    }
    case "virtio-mmio":
      virtioNode(tree, vdevice, config.dmaBase, config.dmaCoherent);
      return;
    default:
      // No other device could have been made.
      return;
  }
}

/** Source: gunyah-resource-manager src/vm_creation/dto_construct.c, dto_create_virtio_mmio */
function virtioNode(tree: DeviceTree, vdevice: Vdevice, dmaBase: Uint8Array | undefined, isCoherent: boolean): void {
  const { config, registers, interrupts } = vdevice;
  if (registers === undefined) return;
  const slash = config.generate.lastIndexOf("/");
  const unit = registers.base.toString(16).padStart(16, "0");
  const node = tree
    .ensure(config.generate.slice(0, slash) || "/")
    .addChild(`${config.generate.slice(slash + 1)}@${unit}`)
    .set("compatible", strings(...config.pushCompatible, "virtio,mmio"))
    .set("reg", cells64(registers.base, registers.size))
    .set("interrupts", join(interrupts.map((i) => specifier(i.virq, i.trigger))))
    .set("qcom,label", config.label)
    .set("label", config.label)
    .set("dma_base", dmaBase ?? cells64(0n))
    .set("peer", vdevice.peerVmid);
  if (vdevice.memory !== undefined) {
    const buffer = sharedBuffer(tree, vdevice);
    node.set("memory-region", buffer).set("buffer", buffer);
  }
  if (isCoherent) node.set("dma-coherent", EMPTY);
}

export function queueProperties(node: DeviceNode, messageSize: number, queueDepth: number): void {
  node
    .set("qcom,tx-message-size", messageSize)
    .set("qcom,rx-message-size", messageSize)
    .set("qcom,tx-queue-depth", queueDepth)
    .set("qcom,rx-queue-depth", queueDepth);
}

/** /reserved-memory/buffer@<ipa> for one shared parcel. @returns its phandle */
function sharedBuffer(tree: DeviceTree, vdevice: Vdevice): number {
  const { base, size, parcel } = vdevice.memory as NonNullable<Vdevice["memory"]>;
  const reserved = tree.root.ensureChild("reserved-memory");
  const { addressCells, sizeCells } = tree.root;
  if (!reserved.has("ranges"))
    reserved.set("#address-cells", addressCells).set("#size-cells", sizeCells).set("ranges", EMPTY);
  const node = reserved.ensureChild(`buffer@${base.toString(16)}`);
  node
    .set("reg", join([number(base, addressCells), number(size, sizeCells)]))
    .set("no-map", EMPTY)
    .set("qcom,shared-memory", EMPTY)
    .set("peers", vdevice.peerVmid)
    .set("qcom,label", vdevice.config.label)
    .set("qcom,rm-mem-handle", parcel?.handle ?? 0);
  if (vdevice.config.pushCompatible.length > 0) node.set("compatible", strings(...vdevice.config.pushCompatible));
  return tree.phandleOf(node);
}

/** Without PSCI the VM starts its own CPUs, so it must know their capabilities. */
function vcpuNodes(rm: RmContext, vm: Vm, config: GuestConfig, tree: DeviceTree): void {
  for (const cpu of config.vcpus.cpus) {
    const cap = vm.objects?.vcpus[cpu.index]?.cap;
    const node = tree.find(cpu.path);
    if (cap === undefined || vm.objects === undefined || node === undefined) continue;
    node.set("qcom,gunyah-capability", cells64(rm.objects.copy(cap, vm.objects.cspace)));
  }
}

function gicNode(tree: DeviceTree, { gic, vcpus }: GuestConfig): void {
  const { addressCells, sizeCells } = tree.root;
  const pair = (base: number, size: number) => join([number(base, addressCells), number(size, sizeCells)]);
  tree
    .node(gic.path)
    .set("compatible", "arm,gic-v3")
    .set("#redistributor-regions", 1)
    .set("redistributor-stride", cells64(gic.stride))
    .set(
      "reg",
      join([pair(gic.distributor, GicFrame.DISTRIBUTOR), pair(gic.redistributors, gic.stride * vcpus.cpus.length)]),
    );
}
