import { type DeviceType, ModelError } from "@gunyah-ts/kernel";
import { openDiskFile } from "#disk-file";
import { optionalBoolean, optionalString, optionObject } from "../options.ts";
import { VirtioMmio } from "../virtio/mmio-transport.ts";
import { type Disk, MemoryDisk, OverlayDisk } from "./disk.ts";
import { VirtioBlk } from "./virtio-blk.ts";

export interface VirtioBlkOptions {
  /** Raw image file. */
  readonly path?: string;
  /** The disk's bytes, instead of a file. */
  readonly bytes?: Uint8Array;
  /** The guest cannot write. Default false. */
  readonly readOnly?: boolean;
  /** Keep writes in memory and leave the image as it is. Default false. */
  readonly overlay?: boolean;
}

/** Device type `virtio-blk`. */
export const virtioBlk: DeviceType<VirtioBlkOptions> = {
  type: "virtio-blk",
  validate(options, path) {
    const object = optionObject(options, path, ["path", "bytes", "readOnly", "overlay"]);
    const file = optionalString(object, "path", path);
    optionalBoolean(object, "readOnly", path);
    optionalBoolean(object, "overlay", path);
    if ((file === undefined) === (object["bytes"] === undefined))
      throw new ModelError("VMM_DEVICE_OPTION", `${path} needs either path or bytes`, { path });
    if (object["bytes"] !== undefined && !(object["bytes"] instanceof Uint8Array))
      throw new ModelError("VMM_DEVICE_OPTION", `${path}.bytes must be a Uint8Array`, { path: `${path}.bytes` });
    return object as VirtioBlkOptions;
  },
  create: (options, context) =>
    new VirtioMmio(
      context,
      new VirtioBlk(openDisk(options), context.name, (message) => context.log("warn", `${context.name}: ${message}`)),
    ),
};

function openDisk({ path, bytes, readOnly = false, overlay = false }: VirtioBlkOptions): Disk {
  const base = bytes !== undefined ? new MemoryDisk(bytes) : openDiskFile(path ?? "", readOnly || overlay);
  return overlay && !readOnly ? new OverlayDisk(base) : base;
}

export { type Disk, MemoryDisk, OverlayDisk } from "./disk.ts";
