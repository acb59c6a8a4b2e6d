import { writeDtb } from "@gunyah-ts/devicetree";
import type { BoardConfig, Hypervisor, PhysicalMemory, ResourceManager, VmManager } from "@gunyah-ts/kernel";
import { buildHostTree } from "./host-tree.ts";

/** A native program needs no room, but the page that its entry lies in is not the host's to give away. */
const NATIVE_IMAGE_SIZE = 4096;

/**
 * Power on: put the root VM's and the host's images and the host's device tree where the board says, then enter the
 * hypervisor, which starts the Resource Manager, which starts the host.
 *
 * Returns when the host waits for its first interrupt. Errors: HYP_ENTRY_TAKEN, and what the three throw when the
 * board cannot boot.
 */
export function powerOn(parts: {
  readonly board: BoardConfig;
  readonly memory: PhysicalMemory;
  readonly hypervisor: Hypervisor;
  readonly resourceManager: ResourceManager;
  readonly vmManager: VmManager;
}): void {
  const { board, memory, hypervisor } = parts;
  memory.write(board.hostDtb.base, writeDtb(buildHostTree(board, NATIVE_IMAGE_SIZE)));
  hypervisor.programs.install(board.rootVmEntry, parts.resourceManager.program);
  hypervisor.programs.install(board.hostEntry, parts.vmManager.program);
  hypervisor.boot();
}
