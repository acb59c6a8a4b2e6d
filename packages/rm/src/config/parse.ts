import { RmError } from "@gunyah-ts/abi";
import { type DeviceNode, type DeviceTree, DeviceTreeError, parseDtb } from "@gunyah-ts/devicetree";
import { check, RmFailure } from "../errors.ts";
import { parseGic } from "./gic.ts";
import type { GuestConfig, VmAttribute } from "./guest-config.ts";
import { parseMemory } from "./memory.ts";
import { numberOf, stringOf, stringsOf } from "./property.ts";
import { parseVcpus } from "./vcpus.ts";
import { parseVdevice, type VdeviceConfig } from "./vdevices.ts";

const MAX_NAME = 80;
const ATTRIBUTES: readonly string[] = [
  "ras-error-handler",
  "amu-counting-disabled",
  "crash-fatal",
  "context-dump",
  "no-shutdown",
  "no-reset",
];
const GUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** Work on a tree that came from a guest: whatever is malformed in it is `error`, not an exception of the library. */
export function onGuestTree<T>(error: RmError, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof DeviceTreeError) throw new RmFailure(error, thrown.message);
    throw thrown;
  }
}

/** A blob that came from a guest's memory. MEM_INVALID when it is not a device tree. */
export function parseGuestTree(blob: Uint8Array): DeviceTree {
  return onGuestTree(RmError.MEM_INVALID, () => parseDtb(blob));
}

/**
 * Read a guest's wishes from its device tree.
 * Errors: MEM_INVALID for a malformed property, ARGUMENT_INVALID for a wrong one, DENIED for what an untrusted VM may not ask
 * Source: gunyah-resource-manager src/vm_config/vm_config_parser.c, vm_config_parser_parse_dt
 */
export function parseGuestConfig(tree: DeviceTree): GuestConfig {
  return onGuestTree(RmError.MEM_INVALID, () => parse(tree));
}

function parse(tree: DeviceTree): GuestConfig {
  const root = tree.find("/gunyah-vm-config") ?? tree.find("/qcom,vm-config");
  check(root !== undefined, RmError.ARGUMENT_INVALID, "no gunyah-vm-config");
  const vdevices: VdeviceConfig[] = [];
  let hasPsci = false;
  for (const node of tree.root.walk()) {
    if (stringOf(node, "device_type") === "memory")
      check(node.name === "memory" && node.parent === tree.root, RmError.ARGUMENT_INVALID, `${node.path} is memory`);
    if (node.has("vdevice-type")) {
      const vdevice = parseVdevice(node);
      if (vdevice !== undefined) vdevices.push(vdevice);
    }
    const compatible = stringsOf(node, "compatible");
    hasPsci ||= compatible?.some((name) => name === "arm,psci-0.2" || name === "arm,psci-1.0") === true;
  }
  const imageName = stringOf(root, "image-name");
  check(imageName !== undefined && imageName.length < MAX_NAME, RmError.ARGUMENT_INVALID, "image-name");
  const vmType = stringOf(root, "vm-type");
  check(vmType === undefined || vmType === "aarch64-guest", RmError.ARGUMENT_INVALID, `vm-type "${vmType}"`);
  const guid = stringOf(root, "vm-guid");
  check(guid === undefined || GUID.test(guid), RmError.ARGUMENT_INVALID, "vm-guid");
  const vcpus = parseVcpus(tree, root.child("vcpus"), hasPsci);
  return {
    imageName,
    vendor: stringOf(root, "vendor"),
    uri: stringOf(root, "vm-uri"),
    guid,
    attributes: parseAttributes(root),
    entryOffset: numberOf(root, "kernel-entry-offset", 2) ?? numberOf(root, "kernel-entry-offset", 1) ?? 0,
    memory: parseMemory(root.child("memory")),
    vcpus,
    gic: parseGic(tree, root.child("interrupts"), vcpus.cpus.length),
    vdevices,
    psci: vcpus.usesPsci,
  };
}

function parseAttributes(root: DeviceNode): ReadonlySet<VmAttribute> {
  const attributes = new Set<VmAttribute>();
  for (const name of stringsOf(root, "vm-attrs") ?? [])
    if (ATTRIBUTES.includes(name)) attributes.add(name as VmAttribute);
  // No VM is trusted: nothing signs a configuration in this system.
  check(!attributes.has("crash-fatal"), RmError.DENIED, "crash-fatal needs a trusted configuration");
  for (const name of ["iomemory-ranges", "gic-irq-ranges"])
    check(!root.has(name), RmError.DENIED, `${name} needs a trusted configuration`);
  if (root.has("qcom,sensitive")) attributes.add("amu-counting-disabled");
  return attributes;
}
