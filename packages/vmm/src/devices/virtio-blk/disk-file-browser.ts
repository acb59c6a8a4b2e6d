import { ModelError } from "@gunyah-ts/kernel";
import type { Disk } from "./disk.ts";

/** There is no file system here. Errors: VMM_DISK */
export function openDiskFile(path: string, _readOnly: boolean): Disk {
  throw new ModelError("VMM_DISK", `cannot open ${path}: this platform has no files; give the disk as bytes`);
}
