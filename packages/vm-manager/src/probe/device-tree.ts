import { type DeviceNode, type DeviceTree, dtbSize, parseDtb } from "@gunyah-ts/devicetree";
import { type CapId, type Intid, type Ipa, ModelError, type NativeVcpu } from "@gunyah-ts/kernel";
import type { MemoryRange } from "../mm/page-allocator.ts";

const failed = (message: string, cause?: unknown): never => {
  throw new ModelError("VMM_PROBE_FAILED", message, { cause });
};

/**
 * The device tree that X0 points to at entry.
 * Source: Linux Documentation/arch/arm64/booting.rst, "Call the kernel image"
 */
export function readDeviceTree(vcpu: NativeVcpu, address: Ipa): { readonly tree: DeviceTree; readonly size: number } {
  const head = new Uint8Array(40);
  if (!vcpu.read(address, head)) failed(`no device tree: IPA 0x${address.toString(16)} (X0) is not readable`);
  const size = dtbSize(head);
  if (size === undefined) return failed(`no device tree at IPA 0x${address.toString(16)} (X0): wrong magic number`);
  const blob = new Uint8Array(size);
  if (!vcpu.read(address, blob)) failed(`the device tree at IPA 0x${address.toString(16)} is not readable to its end`);
  try {
    return { tree: parseDtb(blob), size };
  } catch (error) {
    return failed(`the device tree at IPA 0x${address.toString(16)} is damaged: ${String(error)}`, error);
  }
}

/** The RM's node. Source: Documentation/devicetree/bindings/firmware/gunyah-hypervisor.yaml */
export interface RmNode {
  readonly txCap: CapId;
  readonly rxCap: CapId;
  readonly txIntid: Intid;
  readonly rxIntid: Intid;
}

/** Throws VMM_PROBE_FAILED with what was found instead (ENODEV). */
export function findResourceManager(tree: DeviceTree): RmNode {
  const node = find(tree, "gunyah-resource-manager");
  if (node === undefined) {
    const hypervisor = tree.root.child("hypervisor");
    return failed(
      `no node is compatible with "gunyah-resource-manager" (ENODEV); ${
        hypervisor === undefined
          ? "there is no /hypervisor either: was the RM booted before the host?"
          : `/hypervisor is compatible with ${(hypervisor.strings("compatible") ?? []).join(", ")}`
      }`,
    );
  }
  const [txCap, rxCap] = node.cells64("reg") ?? [];
  if (txCap === undefined || rxCap === undefined)
    return failed(`${node.path} lacks the two capability ids in reg (EINVAL)`);
  const interrupts = node.cells("interrupts") ?? [];
  if (interrupts.length !== 6) return failed(`${node.path} has ${interrupts.length / 3} interrupts, not two (EINVAL)`);
  return { txCap, rxCap, txIntid: intid(node, interrupts, 0), rxIntid: intid(node, interrupts, 3) };
}

/** The host's GICv3. */
export function findGic(tree: DeviceTree): { readonly distributor: Ipa; readonly redistributor: Ipa } {
  const node = find(tree, "arm,gic-v3");
  if (node === undefined) return failed(`no node is compatible with "arm,gic-v3" (ENODEV)`);
  const [gicd, gicr] = node.reg;
  if (gicd === undefined || gicr === undefined) return failed(`${node.path} lacks GICD or GICR in reg (ENODEV)`);
  return { distributor: Number(gicd.address), redistributor: Number(gicr.address) };
}

/** /memory ranges, and what of them is reserved: /reserved-memory and the reserve map. */
export function findMemory(tree: DeviceTree): {
  readonly memory: readonly MemoryRange[];
  readonly reserved: readonly MemoryRange[];
} {
  const memory: MemoryRange[] = [];
  const reserved: MemoryRange[] = [];
  for (const child of tree.root.children) {
    if (child.string("device_type") === "memory") memory.push(...ranges(child));
    if (child.name === "reserved-memory") for (const node of child.children) reserved.push(...ranges(node));
  }
  for (const { address, size } of tree.reservations) reserved.push({ base: Number(address), size: Number(size) });
  if (memory.length === 0) failed("the device tree has no memory node (ENODEV)");
  return { memory, reserved };
}

function find(tree: DeviceTree, compatible: string): DeviceNode | undefined {
  for (const node of tree.root.walk()) if (node.isCompatible(compatible)) return node;
  return undefined;
}

function ranges(node: DeviceNode): MemoryRange[] {
  if (!node.has("reg")) return [];
  return node.reg.map(({ address, size }) => ({ base: Number(address), size: Number(size) }));
}

/** GICv3 specifier: type (0 SPI, 2 extended SPI), number, flags. */
function intid(node: DeviceNode, cells: readonly number[], at: number): Intid {
  const type = cells[at];
  const number = cells[at + 1] as number;
  if (type === 0) return number + 32;
  if (type === 2) return number + 4096;
  return failed(`${node.path}: interrupt type ${type} is not an SPI (EINVAL)`);
}
