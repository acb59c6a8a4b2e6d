import { loadKernel } from "@gunyah-ts/boot-image";
import { type DeviceTree, DeviceTreeError, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { type BoardConfig, type Entropy, type HostLoad, type HostSegment, ModelError } from "@gunyah-ts/kernel";
import { addChosen, addDevice, type PlacedDevice } from "@gunyah-ts/vmm";
import type { HostConfig } from "./host-config.ts";

const BLOCK = 0x20_0000;
const RNG_SEED_BYTES = 32;

/**
 * Lay out a host's kernel and initramfs as the arm64 boot protocol wants them: the kernel at the board's `hostEntry`, the
 * initramfs behind it, and the device tree completed.
 *
 * Errors: HOST_ENTRY, IMAGE_* of @gunyah-ts/boot-image
 * Source: Linux Documentation/arch/arm64/booting.rst
 */
export async function loadLinux(
  config: HostConfig,
  board: BoardConfig,
  devices: readonly PlacedDevice[],
  entropy: Entropy,
): Promise<HostLoad> {
  const { hostEntry } = board;
  const { entry, segments } = await loadKernel(
    config.kernel,
    config.flat === true ? { ramBase: hostEntry, address: hostEntry, flat: true } : { ramBase: hostEntry },
  );
  if (entry !== hostEntry)
    throw new ModelError(
      "HOST_ENTRY",
      `the host's kernel starts at 0x${entry.toString(16)}, the board starts it at hostEntry 0x${hostEntry.toString(16)}; ` +
        "build it for that address, or give the board another hostEntry",
      { path: "soc.hostEntry" },
    );
  const initrd = config.initrd === undefined ? undefined : placeInitrd(config.initrd, segments);
  const rngSeed = new Uint8Array(RNG_SEED_BYTES);
  const kaslrSeed = new Uint8Array(8);
  entropy.fill(rngSeed);
  entropy.fill(kaslrSeed);
  return {
    segments: initrd === undefined ? segments : [...segments, initrd],
    describe: (dtb) =>
      understood(() => {
        const tree = parseDtb(config.dtb ?? dtb);
        addChosen(tree, {
          cmdline: config.cmdline ?? "",
          initrd: initrd === undefined ? undefined : { address: initrd.address, size: initrd.bytes.length },
          rngSeed,
          devices,
        });
        tree.root.ensureChild("chosen").set("kaslr-seed", kaslrSeed);
        for (const device of devices) if (!describes(tree, device)) addDevice(tree, device, undefined);
        return writeDtb(tree);
      }),
  };
}

/** Errors: IMAGE_EMPTY */
function placeInitrd(bytes: Uint8Array, kernel: readonly HostSegment[]): HostSegment {
  if (bytes.length === 0) throw new ModelError("IMAGE_EMPTY", "the host's initrd is empty", { path: "host.initrd" });
  const end = Math.max(...kernel.map(({ address, memorySize }) => address + memorySize));
  return { name: "initrd", address: Math.ceil(end / BLOCK) * BLOCK, bytes, memorySize: bytes.length };
}

/** Whether the user's own tree has a node at the device's address. */
function describes(tree: DeviceTree, { address }: PlacedDevice): boolean {
  const unit = `@${address.toString(16)}`;
  return [...tree.root.walk()].some(({ name }) => name.endsWith(unit));
}

/** Errors: HOST_DTB */
function understood<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof DeviceTreeError)) throw cause;
    throw new ModelError("HOST_DTB", `the host's device tree: ${cause.message}`, { cause, path: "host.dtb" });
  }
}
