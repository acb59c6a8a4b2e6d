import type { HostFile } from "@gunyah-ts/kernel";

/**
 * An open file description: what descriptors, mappings and calls in progress hold references to.
 * Source: Linux struct file, fget and fput
 */
export class OpenFile {
  readonly file: HostFile;
  #refs = 1;

  constructor(file: HostFile) {
    this.file = file;
  }

  get refs(): number {
    return this.#refs;
  }

  get(): this {
    this.#refs++;
    return this;
  }

  /** The last one releases the file. */
  put(): void {
    if (--this.#refs === 0) this.file.release?.();
  }
}
