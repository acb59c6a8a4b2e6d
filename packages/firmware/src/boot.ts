import { writeDtb } from "@gunyah-ts/devicetree";
import {
  type BoardConfig,
  type HostImage,
  type HostSegment,
  type Hypervisor,
  ModelError,
  type NativeProgram,
  type PhysicalMemory,
  type ResourceManager,
} from "@gunyah-ts/kernel";
import { hostMemory } from "./host-memory.ts";
import { buildHostTree } from "./host-tree.ts";
import { placeImage } from "./place.ts";

/** A native program needs no room, but the page that its entry lies in is not the host's to give away. */
const NATIVE_IMAGE_SIZE = 4096;

/** What a board boots with, whatever its host is. */
export interface BoardParts {
  readonly board: BoardConfig;
  readonly memory: PhysicalMemory;
  readonly hypervisor: Hypervisor;
  readonly resourceManager: ResourceManager;
}

/**
 * Power on with a program as the host: its device tree is written, it and the root VM's program are put where the board
 * says, then the hypervisor is entered, which starts the Resource Manager, which starts the host.
 *
 * Returns when the host waits for its first interrupt. Errors: HYP_ENTRY_TAKEN, and what the layers throw when the board
 * cannot boot.
 */
export function powerOn(parts: BoardParts, host: NativeProgram): void {
  const { board, memory } = parts;
  const reserved = [
    { name: "image", base: board.hostEntry, size: NATIVE_IMAGE_SIZE },
    { name: "dtb", ...board.hostDtb },
  ];
  memory.write(board.hostDtb.base, writeDtb(buildHostTree(board, hostMemory(board), reserved)));
  enter(parts, host);
}

/**
 * Power on with a kernel image as the host. Resolves when the hypervisor was entered: the host's first instruction is
 * still to come. Errors: FIRMWARE_PLACE, what `HostImage.load` throws, and those of `powerOn`.
 */
export async function powerOnImage(parts: BoardParts, host: HostImage): Promise<void> {
  const { board, memory } = parts;
  const ranges = hostMemory(board);
  const load = await host.load(board, ranges);
  // Nothing is reserved: an image says itself what it needs, and Linux does so with its own text and with the tree.
  const dtb = load.describe(writeDtb(buildHostTree(board, ranges)));
  placeImage(board, memory, ranges, { ...load, segments: [...load.segments, deviceTree(board, dtb)] });
  enter(parts);
}

/** Errors: FIRMWARE_PLACE */
function deviceTree({ name, hostDtb }: BoardConfig, bytes: Uint8Array): HostSegment {
  if (bytes.length > hostDtb.size)
    throw new ModelError(
      "FIRMWARE_PLACE",
      `board ${name}: the host's device tree has ${bytes.length} bytes, hostDtb has room for ${hostDtb.size}`,
      { path: "soc.hostDtb" },
    );
  return { name: "device tree", address: hostDtb.base, bytes, memorySize: hostDtb.size };
}

function enter({ board, hypervisor, resourceManager }: BoardParts, host?: NativeProgram): void {
  hypervisor.programs.install(board.rootVmEntry, resourceManager.program);
  if (host !== undefined) hypervisor.programs.install(board.hostEntry, host);
  hypervisor.boot();
}
