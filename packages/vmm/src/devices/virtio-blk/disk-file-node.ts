import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { ModelError } from "@gunyah-ts/kernel";
import type { Disk } from "./disk.ts";

/** Open a raw image. Errors: VMM_DISK */
export function openDiskFile(path: string, readOnly: boolean): Disk {
  return new FileDisk(path, readOnly);
}

/** A raw image file; byte n of the disk is byte n of the file. */
class FileDisk implements Disk {
  readonly readOnly: boolean;
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string, readOnly: boolean) {
    this.#path = path;
    this.readOnly = readOnly;
    try {
      this.#fd = openSync(path, readOnly ? "r" : "r+");
    } catch (cause) {
      throw new ModelError("VMM_DISK", `cannot open the disk image ${path}: ${(cause as Error).message}`, { cause });
    }
    const { size } = fstatSync(this.#fd);
    this.sizeBytes = size - (size % 512);
    if (this.sizeBytes === 0) {
      closeSync(this.#fd);
      throw new ModelError(
        "VMM_DISK",
        `the disk image ${path} has ${size} bytes; a disk has at least one sector of 512`,
      );
    }
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.#fd, into, done, into.length - done, offset + done);
      if (count === 0) throw new ModelError("VMM_DISK", `${this.#path} became shorter than the disk that it holds`);
      done += count;
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
  }

  flush(): void {
    if (!this.readOnly) fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
