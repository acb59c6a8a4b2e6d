import { GicFrame } from "@gunyah-ts/abi";
import { cells64, type DeviceNode, DeviceTree } from "@gunyah-ts/devicetree";
import type { DeviceDescription } from "@gunyah-ts/kernel";

/** A device with its place in the guest's address map. */
export interface PlacedDevice {
  readonly name: string;
  readonly address: number;
  readonly windowSize: number;
  /** SPI number (INTID minus 32); also the label of its doorbell. */
  readonly spi: number;
  readonly interrupt: "level" | "edge";
  readonly description: DeviceDescription;
}

export interface GuestTreeOptions {
  readonly ram: { readonly address: number; readonly size: number };
  readonly cpus: number;
  readonly devices: readonly PlacedDevice[];
  readonly cmdline: string;
  readonly initrd?: { readonly address: number; readonly size: number } | undefined;
  /** 32 bytes or more for the kernel's random generator. */
  readonly rngSeed?: Uint8Array | undefined;
  /** Memory that devices may access when the rest is lent. */
  readonly dmaPool?: { readonly address: number; readonly size: number } | undefined;
  readonly gic: { readonly distributor: number; readonly redistributors: number };
}

/** Interrupt specifier cells of the GICv3 binding. */
const SPI = 0;
const PPI = 1;
const EDGE_RISING = 1;
const LEVEL_HIGH = 4;
/** Secure, non-secure, virtual and hypervisor timer. Source: Arm BSA, PPI assignment. */
const TIMER_PPIS = [13, 14, 11, 10] as const;

/**
 * Describe the guest to its kernel and to the Resource Manager.
 *
 * Source: Linux Documentation/devicetree/bindings (arm/cpus, arm/psci, interrupt-controller/arm,gic-v3,
 * timer/arm,arch_timer, virtio/mmio, reserved-memory/shared-dma-pool); for gunyah-vm-config see `addVmConfig`.
 */
export function buildGuestTree(options: GuestTreeOptions): DeviceTree {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set("#address-cells", 2).set("#size-cells", 2).set("compatible", "linux,dummy-virt").set("model", "gunyah-ts");

  addGic(tree, options);
  addChosen(tree, options);
  // No unit address: the Resource Manager refuses any other node with device_type "memory", and rewrites this one.
  root.addChild("memory", {
    device_type: "memory",
    reg: cells64(options.ram.address, options.ram.size),
  });
  addCpus(tree, options.cpus);
  root.addChild("psci", { compatible: ["arm,psci-1.0", "arm,psci-0.2"], method: "hvc" });
  root.addChild("timer", {
    compatible: "arm,armv8-timer",
    "always-on": true,
    interrupts: TIMER_PPIS.flatMap((ppi) => [PPI, ppi, LEVEL_HIGH]),
  });
  // PPI 23, INTID of the overflow interrupt by the Arm BSA
  root.addChild("pmu", { compatible: "arm,armv8-pmuv3", interrupts: [PPI, 7, LEVEL_HIGH] });
  const pool = options.dmaPool === undefined ? undefined : addDmaPool(tree, options.dmaPool);
  for (const device of options.devices) addDevice(tree, device, pool);
  addVmConfig(tree, options);
  return tree;
}

function addGic(tree: DeviceTree, { cpus, gic }: GuestTreeOptions): void {
  const node = tree.root.addChild(`intc@${hex(gic.distributor)}`, {
    compatible: "arm,gic-v3",
    "#interrupt-cells": 3,
    "interrupt-controller": true,
    "#address-cells": 2,
    "#size-cells": 2,
    ranges: true,
    reg: cells64(gic.distributor, GicFrame.DISTRIBUTOR, gic.redistributors, GicFrame.REDISTRIBUTOR * cpus),
  });
  tree.root.set("interrupt-parent", tree.phandleOf(node));
}

/** Set what the boot loader tells the kernel. */
export function addChosen(
  tree: DeviceTree,
  { cmdline, initrd, rngSeed, devices }: Pick<GuestTreeOptions, "cmdline" | "initrd" | "rngSeed" | "devices">,
): void {
  const chosen = tree.root.ensureChild("chosen");
  if (cmdline !== "") chosen.set("bootargs", cmdline);
  if (initrd !== undefined)
    chosen
      .set("linux,initrd-start", cells64(initrd.address))
      .set("linux,initrd-end", cells64(initrd.address + initrd.size));
  if (rngSeed !== undefined) chosen.set("rng-seed", rngSeed);
  const console = devices.find(({ description }) => description.stdout !== undefined);
  if (console !== undefined && !chosen.has("stdout-path")) chosen.set("stdout-path", devicePath(console));
}

function addCpus(tree: DeviceTree, count: number): void {
  const cpus = tree.root.addChild("cpus", { "#address-cells": 1, "#size-cells": 0 });
  for (let cpu = 0; cpu < count; cpu++)
    cpus.addChild(`cpu@${cpu.toString(16)}`, {
      device_type: "cpu",
      compatible: "arm,armv8",
      "enable-method": "psci",
      reg: cpu,
    });
}

/** @returns the pool's phandle */
function addDmaPool(tree: DeviceTree, { address, size }: { address: number; size: number }): number {
  const reserved = tree.root.addChild("reserved-memory", { "#address-cells": 2, "#size-cells": 2, ranges: true });
  const pool = reserved.addChild(`restricted-dma-pool@${hex(address)}`, {
    compatible: "restricted-dma-pool",
    reg: cells64(address, size),
  });
  return tree.phandleOf(pool);
}

/** Add the node of a device, with its place and interrupt. */
export function addDevice(tree: DeviceTree, device: PlacedDevice, dmaPool: number | undefined): void {
  const { description, address, windowSize, spi, interrupt } = device;
  const node = tree.root.addChild(`${description.node}@${hex(address)}`, description.properties);
  node
    .set("reg", cells64(address, windowSize))
    .set("interrupts", [SPI, spi, interrupt === "edge" ? EDGE_RISING : LEVEL_HIGH]);
  if (description.clocks !== undefined) {
    node.set(
      "clocks",
      description.clocks.map(({ frequencyHz }) => fixedClock(tree, frequencyHz)),
    );
    node.set(
      "clock-names",
      description.clocks.map(({ name }) => name),
    );
  }
  if (description.dma === true && dmaPool !== undefined) node.set("memory-region", dmaPool);
}

function fixedClock(tree: DeviceTree, frequencyHz: number): number {
  const name = `clock-${frequencyHz}`;
  const node =
    tree.root.child(name) ??
    tree.root.addChild(name, { compatible: "fixed-clock", "#clock-cells": 0, "clock-frequency": frequencyHz });
  return tree.phandleOf(node);
}

/**
 * What the Resource Manager reads: where memory is, how vCPUs are scheduled, and a doorbell for each interrupt.
 * Source: crosvm hypervisor/src/gunyah/aarch64.rs, create_fdt.
 */
export function addVmConfig(tree: DeviceTree, { ram, devices }: Pick<GuestTreeOptions, "ram" | "devices">): void {
  const intc = tree.compatible("arm,gic-v3")[0];
  const config = tree.root.addChild("gunyah-vm-config", {
    "#address-cells": 2,
    "#size-cells": 2,
    "image-name": "gunyah-ts-vm",
    "os-type": "linux",
  });
  config.addChild("memory", {
    "#address-cells": 2,
    "#size-cells": 2,
    "base-address": cells64(ram.address),
  });
  if (intc !== undefined) config.addChild("interrupts", { config: tree.phandleOf(intc) });
  config.addChild("vcpus", { affinity: "proxy" });
  const vdevices = config.addChild("vdevices", { generate: "/hypervisor" });
  for (const { spi, interrupt } of devices) addDoorbell(vdevices, spi, interrupt);
}

function addDoorbell(vdevices: DeviceNode, spi: number, interrupt: "level" | "edge"): void {
  const name = `bell-${spi.toString(16)}`;
  vdevices.addChild(name, {
    "vdevice-type": "doorbell",
    generate: `/hypervisor/${name}`,
    label: spi,
    "peer-default": true,
    "source-can-clear": true,
    interrupts: [SPI, spi, interrupt === "edge" ? EDGE_RISING : LEVEL_HIGH],
  });
}

export function devicePath({ description, address }: PlacedDevice): string {
  return `/${description.node}@${hex(address)}`;
}

function hex(value: number): string {
  return value.toString(16);
}
