import type { DmaMemory } from "@gunyah-ts/kernel";
import { VirtioDeviceId } from "../virtio/constants.ts";
import type { QueueWork, VirtioDevice, VirtioHost } from "../virtio/virtio-device.ts";
import { type Chain, chainCost, gather, type Segment, scatter, totalLength } from "../virtio/virtqueue.ts";
import type { Disk } from "./disk.ts";

const QUEUE = 0;
const SECTOR = 512;
/** §5.2.3 */
const Feature = { SEG_MAX: 1n << 2n, RO: 1n << 5n, BLK_SIZE: 1n << 6n, FLUSH: 1n << 9n } as const;
/** Request types. §5.2.6 */
const Request = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8 } as const;
/** Request status. §5.2.6 */
const Status = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
const HEADER_SIZE = 16;
const QUEUE_SIZE = 128;
/** Header and status take a descriptor each. */
const SEG_MAX = QUEUE_SIZE - 2;
const ID_SIZE = 20;
/** Largest piece copied at a time. */
const PIECE = 1 << 18;

/**
 * Block device over a `Disk`.
 * Source: VIRTIO 1.2 §5.2 Block Device.
 */
export class VirtioBlk implements VirtioDevice {
  readonly deviceId = VirtioDeviceId.BLOCK;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(24);

  readonly #disk: Disk;
  readonly #id: string;
  readonly #log: (message: string) => void;
  #failures = 0;

  constructor(disk: Disk, id: string, log: (message: string) => void) {
    this.#disk = disk;
    this.#id = id;
    this.#log = log;
    this.features = Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH | (disk.readOnly ? Feature.RO : 0n);
    const view = new DataView(this.config.buffer);
    view.setBigUint64(0, BigInt(disk.sizeBytes / SECTOR), true);
    view.setUint32(12, SEG_MAX, true);
    view.setUint32(20, SECTOR, true);
  }

  activate(): void {}

  reset(): void {}

  async flush(): Promise<void> {
    if (!this.#disk.readOnly) this.#disk.flush();
  }

  dispose(): void {
    this.#disk.close();
  }

  *serve(host: VirtioHost): QueueWork {
    const queue = host.queue(QUEUE);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const written = yield* this.#request(host.memory, chain);
      if (written === undefined) {
        host.fail("a block request has no header or no status byte in guest memory");
        return;
      }
      queue.push(chain, written);
      yield chainCost(chain, 0);
    }
  }

  /** @returns bytes written into the chain, undefined when it is no request at all */
  *#request(memory: DmaMemory, chain: Chain): Generator<number, number | undefined, void> {
    const header = gather(memory, chain.readable, HEADER_SIZE);
    const room = totalLength(chain.writable);
    if (header === undefined || header.length < HEADER_SIZE || room < 1) return undefined;
    const view = new DataView(header.buffer);
    const request: BlockRequest = {
      type: view.getUint32(0, true),
      offset: Number(view.getBigUint64(8, true)) * SECTOR,
      source: skip(chain.readable, HEADER_SIZE),
      target: take(chain.writable, room - 1),
    };
    let status: number = Status.OK;
    try {
      status = yield* this.#execute(memory, request);
    } catch (error) {
      status = Status.IOERR;
      // A full disk fails every write: say it once, and again each time that the number doubles.
      if ((++this.#failures & (this.#failures - 1)) === 0)
        this.#log(`${(error as Error).message} (${this.#failures} failed requests so far)`);
    }
    const statusByte = skip(chain.writable, room - 1);
    if (scatter(memory, statusByte, Uint8Array.of(status)) !== 1) return undefined;
    return status === Status.OK && request.type !== Request.OUT ? room : 1;
  }

  *#execute(memory: DmaMemory, { type, offset, source, target }: BlockRequest): Generator<number, number, void> {
    switch (type) {
      case Request.IN:
        return yield* this.#transfer(offset, target, (segment, at) => {
          const bytes = memory.window(segment.address, segment.length, "rw");
          if (bytes !== undefined) {
            this.#disk.read(at, bytes);
            return true;
          }
          const copy = new Uint8Array(segment.length);
          this.#disk.read(at, copy);
          return memory.write(segment.address, copy);
        });
      case Request.OUT:
        if (this.#disk.readOnly) return Status.IOERR;
        return yield* this.#transfer(offset, source, (segment, at) => {
          const copy = new Uint8Array(segment.length);
          if (!memory.read(segment.address, copy)) return false;
          this.#disk.write(at, copy);
          return true;
        });
      case Request.FLUSH:
        this.#disk.flush();
        return Status.OK;
      case Request.GET_ID: {
        const id = new Uint8Array(ID_SIZE);
        new TextEncoder().encodeInto(this.#id, id);
        return scatter(memory, target, id) === Math.min(ID_SIZE, totalLength(target)) ? Status.OK : Status.IOERR;
      }
      default:
        return Status.UNSUPP;
    }
  }

  *#transfer(
    offset: number,
    segments: readonly Segment[],
    copy: (segment: Segment, at: number) => boolean,
  ): Generator<number, number, void> {
    const length = totalLength(segments);
    if (length % SECTOR !== 0 || !Number.isSafeInteger(offset) || offset + length > this.#disk.sizeBytes)
      return Status.IOERR;
    let at = offset;
    for (const { address, length: size } of segments)
      for (let done = 0; done < size; done += PIECE) {
        const piece = { address: address + done, length: Math.min(PIECE, size - done) };
        if (!copy(piece, at)) return Status.IOERR;
        at += piece.length;
        yield piece.length;
      }
    return Status.OK;
  }
}

interface BlockRequest {
  readonly type: number;
  /** Bytes into the disk. */
  readonly offset: number;
  readonly source: readonly Segment[];
  readonly target: readonly Segment[];
}

/** What is left of `segments` behind the first `bytes`. */
function skip(segments: readonly Segment[], bytes: number): Segment[] {
  const rest: Segment[] = [];
  for (const { address, length } of segments) {
    const skipped = Math.min(bytes, length);
    bytes -= skipped;
    if (skipped < length) rest.push({ address: address + skipped, length: length - skipped });
  }
  return rest;
}

/** The first `bytes` of `segments`. */
function take(segments: readonly Segment[], bytes: number): Segment[] {
  const part: Segment[] = [];
  for (const { address, length } of segments) {
    const taken = Math.min(bytes, length);
    bytes -= taken;
    if (taken > 0) part.push({ address, length: taken });
  }
  return part;
}
