import type { DmaMemory } from "@gunyah-ts/kernel";

/** Part of a buffer in guest memory. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

/** A descriptor chain: what the device may read, then what it may write. §2.7.13 */
export interface Chain {
  /** Index of the first descriptor: what goes into the used ring. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

const DESCRIPTOR_SIZE = 16;
const Flag = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
const AVAIL_NO_INTERRUPT = 1;
/** What a descriptor costs beside its bytes. */
const DESCRIPTOR_COST = 8192;
/** Bytes of all buffers of one chain; a driver may not go over 2^32. §2.7.5.2 */
const MAX_CHAIN_BYTES = 2 ** 32;

/**
 * The device's side of one split virtqueue. Nothing in it is trusted: what breaks the rules marks the queue broken,
 * with the rule, and the queue yields nothing more.
 *
 * Source: VIRTIO 1.2 §2.7 Split Virtqueues.
 */
export class Virtqueue {
  readonly maxSize: number;
  /** Entries, a power of two. */
  size: number;
  ready = false;
  descriptorArea = 0;
  driverArea = 0;
  deviceArea = 0;
  /** The rule that the driver broke. */
  broken: string | undefined;

  readonly #memory: () => DmaMemory;
  #nextAvailable = 0;
  #nextUsed = 0;
  #interruptOwed = false;

  constructor(maxSize: number, memory: () => DmaMemory) {
    this.maxSize = maxSize;
    this.size = maxSize;
    this.#memory = memory;
  }

  reset(): void {
    this.size = this.maxSize;
    this.ready = false;
    this.descriptorArea = 0;
    this.driverArea = 0;
    this.deviceArea = 0;
    this.broken = undefined;
    this.#nextAvailable = 0;
    this.#nextUsed = 0;
    this.#interruptOwed = false;
  }

  /** Take the next available chain. undefined when there is none, or the queue is broken or not ready. */
  pop(): Chain | undefined {
    if (!this.ready || this.broken !== undefined) return undefined;
    const ring = this.#window(this.driverArea, 4 + 2 * this.size, "r");
    if (ring === undefined) return this.#fail(`driver area 0x${this.driverArea.toString(16)} is not guest memory`);
    const waiting = (ring.getUint16(2, true) - this.#nextAvailable) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > this.size) return this.#fail(`${waiting} buffers are available in a queue of ${this.size}`);
    const head = ring.getUint16(4 + 2 * (this.#nextAvailable % this.size), true);
    if (head >= this.size) return this.#fail(`available descriptor ${head} in a queue of ${this.size}`);
    const chain = this.#walk(head);
    if (chain !== undefined) this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    return chain;
  }

  /** Return a chain. @param written bytes that the device wrote into it */
  push(chain: Chain, written: number): void {
    if (this.broken !== undefined) return;
    const ring = this.#window(this.deviceArea, 4 + 8 * this.size, "rw");
    if (ring === undefined) {
      this.#fail(`device area 0x${this.deviceArea.toString(16)} is not guest memory`);
      return;
    }
    const entry = 4 + 8 * (this.#nextUsed % this.size);
    ring.setUint32(entry, chain.head, true);
    ring.setUint32(entry + 4, written, true);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    ring.setUint16(2, this.#nextUsed, true);
    this.#interruptOwed = true;
  }

  /** Whether the driver wants an interrupt for what was pushed since the last call. §2.7.7 */
  takeInterrupt(): boolean {
    if (!this.#interruptOwed) return false;
    this.#interruptOwed = false;
    const ring = this.#window(this.driverArea, 4, "r");
    return ring !== undefined && (ring.getUint16(0, true) & AVAIL_NO_INTERRUPT) === 0;
  }

  #walk(head: number): Chain | undefined {
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = this.descriptorArea;
    let entries = this.size;
    let index = head;
    let indirect = false;
    let bytes = 0;
    let descriptors = 0;
    for (let steps = 0; ; steps++) {
      if (steps >= entries) return this.#fail(`the chain of descriptor ${head} has a loop`);
      const descriptor = this.#window(table + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE, "r");
      if (descriptor === undefined)
        return this.#fail(`descriptor ${index} at 0x${table.toString(16)} is not guest memory`);
      const address = descriptor.getUint32(0, true) + descriptor.getUint32(4, true) * 2 ** 32;
      const length = descriptor.getUint32(8, true);
      const flags = descriptor.getUint16(12, true);
      const next = descriptor.getUint16(14, true);

      if ((flags & Flag.INDIRECT) !== 0) {
        if (indirect || (flags & Flag.NEXT) !== 0)
          return this.#fail(`descriptor ${index} is indirect where that is not allowed`);
        if (length === 0 || length % DESCRIPTOR_SIZE !== 0 || length / DESCRIPTOR_SIZE > 0x1_0000)
          return this.#fail(`the indirect table of descriptor ${index} has ${length} bytes`);
        // Descriptors before this one stay part of the chain. §2.7.5.3
        table = address;
        entries = length / DESCRIPTOR_SIZE;
        index = 0;
        indirect = true;
        steps = -1;
        continue;
      }
      // §2.7.5.3.1: a chain is no longer than the device's queue, whatever the size of its indirect table.
      if (++descriptors > this.maxSize)
        return this.#fail(`the chain of descriptor ${head} is longer than the queue of ${this.maxSize}`);
      if ((bytes += length) > MAX_CHAIN_BYTES)
        return this.#fail(`the chain of descriptor ${head} is larger than 4 GiB`);
      if ((flags & Flag.WRITE) !== 0) writable.push({ address, length });
      else if (writable.length > 0)
        return this.#fail(`the chain of descriptor ${head} has a readable part behind a writable`);
      else readable.push({ address, length });
      if ((flags & Flag.NEXT) === 0) return { head, readable, writable };
      if (next >= entries) return this.#fail(`descriptor ${index} points to ${next} in a table of ${entries}`);
      index = next;
    }
  }

  #window(address: number, length: number, access: "r" | "rw"): DataView | undefined {
    const bytes = this.#memory().window(address, length, access);
    return bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #fail(rule: string): undefined {
    this.broken = rule;
    return undefined;
  }
}

/** Bytes in all segments. */
export function totalLength(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

/** What walking a chain and copying `bytes` of it costs, as `QueueWork` counts. */
export function chainCost({ readable, writable }: Chain, bytes: number): number {
  return (readable.length + writable.length) * DESCRIPTOR_COST + bytes;
}

/** Copy the first `limit` bytes of a chain's readable part. undefined when a byte is not guest memory. */
export function gather(memory: DmaMemory, segments: readonly Segment[], limit: number): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.min(totalLength(segments), limit));
  let done = 0;
  for (const { address, length } of segments) {
    const part = bytes.subarray(done, done + length);
    if (part.length > 0 && !memory.read(address, part)) return undefined;
    done += part.length;
  }
  return bytes;
}

/** Copy into a chain's writable part, as much as fits. @returns bytes written, -1 when a byte is not guest memory */
export function scatter(memory: DmaMemory, segments: readonly Segment[], bytes: Uint8Array): number {
  let done = 0;
  for (const { address, length } of segments) {
    const part = bytes.subarray(done, done + length);
    if (part.length === 0) break;
    if (!memory.write(address, part)) return -1;
    done += part.length;
  }
  return done;
}
