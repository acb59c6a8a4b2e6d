import { cells64, type DeviceNode, type DeviceTree, parseDtb } from "@gunyah-ts/devicetree";
import { ModelError } from "@gunyah-ts/kernel";
import { addChosen, addDevice, addVmConfig, type GuestTreeOptions, type PlacedDevice } from "./guest-tree.ts";

/**
 * A device tree that the user gave, patched only where it has to be: the memory node's name, what the boot loader
 * writes into `/chosen`, devices that it does not have, and `/gunyah-vm-config` when it is missing.
 */
export class UserTree {
  readonly tree: DeviceTree;

  /** Errors: VMM_DTB_INVALID */
  constructor(blob: Uint8Array) {
    this.tree = understood(() => parseDtb(blob));
  }

  /** Where the tree's `count`-th node with a compatible string sits, and its SPI. Errors: VMM_DTB_INVALID */
  find(compatible: string, count: number): { readonly address: number; readonly spi: number } | undefined {
    const node = this.tree.compatible(compatible)[count];
    const [reg, interrupts] = understood(() => [node?.reg[0], node?.cells("interrupts")] as const);
    if (reg === undefined || interrupts === undefined || interrupts[0] !== 0) return undefined;
    return { address: Number(reg.address), spi: interrupts[1] ?? 0 };
  }

  /** Addresses of the GIC, when the tree has one. Errors: VMM_DTB_INVALID */
  get gic(): GuestTreeOptions["gic"] | undefined {
    const reg = understood(() => this.tree.compatible("arm,gic-v3")[0]?.reg);
    const [distributor, redistributors] = reg ?? [];
    if (distributor === undefined || redistributors === undefined) return undefined;
    return { distributor: Number(distributor.address), redistributors: Number(redistributors.address) };
  }

  /** Errors: VMM_DTB_INVALID where the tree contradicts the VM. */
  complete(options: GuestTreeOptions): DeviceTree {
    understood(() => {
      this.#checkMemory(options.ram);
      this.#checkCpus(options.cpus);
    });
    addChosen(this.tree, options);
    for (const device of options.devices) if (!this.#describes(device)) addDevice(this.tree, device, undefined);
    if (this.tree.find("/gunyah-vm-config") === undefined) addVmConfig(this.tree, options);
    return this.tree;
  }

  #describes({ address }: PlacedDevice): boolean {
    return [...this.tree.root.walk()].some((node) => node.name.endsWith(`@${address.toString(16)}`));
  }

  #checkMemory({ address, size }: { address: number; size: number }): void {
    const nodes = [...this.tree.root.walk()].filter((node) => stringOf(node, "device_type") === "memory");
    for (const node of nodes)
      for (const range of node.reg)
        if (Number(range.address) !== address || Number(range.size) !== size)
          throw new ModelError(
            "VMM_DTB_INVALID",
            `${node.path} says 0x${range.size.toString(16)} bytes at 0x${range.address.toString(16)}, the VM has ` +
              `0x${size.toString(16)} at 0x${address.toString(16)}; change the tree or the memory size`,
          );
    for (const node of nodes) node.parent?.removeChild(node.name);
    this.tree.root.removeChild("memory");
    this.tree.root.addChild("memory", { device_type: "memory", reg: cells64(address, size) });
  }

  #checkCpus(count: number): void {
    const nodes = [...(this.tree.find("/cpus")?.children ?? [])].filter(
      (node) => stringOf(node, "device_type") === "cpu",
    );
    if (nodes.length !== count)
      throw new ModelError("VMM_DTB_INVALID", `the device tree has ${nodes.length} CPUs, the VM ${count}`);
  }
}

/** Run what reads a stranger's tree: what it cannot make sense of is the user's error. */
function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause as { code?: string }).code?.startsWith("DT_")) throw cause;
    throw new ModelError("VMM_DTB_INVALID", `the device tree cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function stringOf(node: DeviceNode, name: string): string | undefined {
  return node.has(name) ? node.string(name) : undefined;
}
