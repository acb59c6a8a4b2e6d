import { ModelError } from "@gunyah-ts/kernel";

/** Where a block device's sectors live. Calls are synchronous, so that a run can be repeated exactly. */
export interface Disk {
  /** A multiple of 512. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Throws when the medium fails; the guest then gets an I/O error. */
  read(offset: number, into: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  /** Everything written before is on stable storage when this returns. */
  flush(): void;
  close(): void;
}

/** A disk in memory, for tests and scratch space. */
export class MemoryDisk implements Disk {
  readonly readOnly = false;
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    if (bytes.length % 512 !== 0)
      throw new ModelError("VMM_DISK", `a disk of ${bytes.length} bytes does not end on a sector of 512`);
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  flush(): void {}

  close(): void {}
}

const CLUSTER = 64 * 1024;

/** Copy on write: writes go to memory, `base` is never changed. What was written is gone when the disk is closed. */
export class OverlayDisk implements Disk {
  readonly readOnly = false;
  readonly #base: Disk;
  readonly #clusters = new Map<number, Uint8Array>();

  constructor(base: Disk) {
    this.#base = base;
  }

  get sizeBytes(): number {
    return this.#base.sizeBytes;
  }

  read(offset: number, into: Uint8Array): void {
    eachCluster(offset, into, (cluster, start, part) => {
      const own = this.#clusters.get(cluster);
      if (own === undefined) this.#base.read(cluster * CLUSTER + start, part);
      else part.set(own.subarray(start, start + part.length));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    eachCluster(offset, bytes, (cluster, start, part) => {
      this.#own(cluster).set(part, start);
    });
  }

  flush(): void {}

  close(): void {
    this.#clusters.clear();
    this.#base.close();
  }

  #own(cluster: number): Uint8Array {
    let own = this.#clusters.get(cluster);
    if (own === undefined) {
      own = new Uint8Array(Math.min(CLUSTER, this.sizeBytes - cluster * CLUSTER));
      this.#base.read(cluster * CLUSTER, own);
      this.#clusters.set(cluster, own);
    }
    return own;
  }
}

function eachCluster(
  offset: number,
  bytes: Uint8Array,
  visit: (cluster: number, start: number, part: Uint8Array) => void,
): void {
  for (let done = 0; done < bytes.length; ) {
    const cluster = Math.floor((offset + done) / CLUSTER);
    const start = (offset + done) % CLUSTER;
    const part = bytes.subarray(done, done + CLUSTER - start);
    visit(cluster, start, part);
    done += part.length;
  }
}
