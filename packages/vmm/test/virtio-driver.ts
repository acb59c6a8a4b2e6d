import type { Device } from "@gunyah-ts/kernel";
import { MmioRegister as Reg, VirtioStatus } from "../src/devices/virtio/constants.ts";
import { type ArrayMemory, RecordedLine } from "./support.ts";

const SIZE = 8;
const STRIDE = 0x1000;

export interface Buffer {
  readonly address: number;
  readonly length: number;
  readonly writable?: boolean;
}

/** The driver's side of virtio-mmio, as small as the specification lets it be. VIRTIO 1.2 §3.1, §4.2.3. */
export class VirtioDriver {
  readonly line = new RecordedLine();
  /** What the device put off, oldest first. */
  readonly deferred: (() => void)[] = [];
  readonly device: Device;
  readonly memory: ArrayMemory;
  readonly #available: number[] = [];
  #nextDescriptor: number[] = [];
  #seen: number[] = [];

  constructor(device: Device, memory: ArrayMemory) {
    this.device = device;
    this.memory = memory;
    device.activate({ memory, line: this.line, defer: (work) => this.deferred.push(work) });
  }

  read(register: number): number {
    return this.device.read(register, 4);
  }

  write(register: number, value: number): void {
    this.device.write(register, 4, value);
  }

  get status(): number {
    return this.read(Reg.STATUS);
  }

  /** @returns the status after FEATURES_OK */
  negotiate(mask = 0xffff_ffff_ffff_ffffn): number {
    this.write(Reg.STATUS, 0);
    this.write(Reg.STATUS, VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER);
    for (const half of [0, 1]) {
      this.write(Reg.DEVICE_FEATURES_SEL, half);
      this.write(Reg.DRIVER_FEATURES_SEL, half);
      const offered = this.read(Reg.DEVICE_FEATURES);
      this.write(Reg.DRIVER_FEATURES, Number(BigInt(offered) & ((mask >> BigInt(32 * half)) & 0xffff_ffffn)));
    }
    this.write(Reg.STATUS, this.status | VirtioStatus.FEATURES_OK);
    return this.status;
  }

  start(queues: number): void {
    this.negotiate();
    for (let queue = 0; queue < queues; queue++) {
      this.write(Reg.QUEUE_SEL, queue);
      this.write(Reg.QUEUE_NUM, SIZE);
      this.write(Reg.QUEUE_DESC_LOW, this.descriptors(queue));
      this.write(Reg.QUEUE_DRIVER_LOW, this.availableRing(queue));
      this.write(Reg.QUEUE_DEVICE_LOW, this.usedRing(queue));
      this.write(Reg.QUEUE_READY, 1);
      this.#available[queue] = 0;
      this.#nextDescriptor[queue] = 0;
      this.#seen[queue] = 0;
    }
    this.write(Reg.STATUS, this.status | VirtioStatus.DRIVER_OK);
  }

  descriptors = (queue: number): number => this.memory.base + STRIDE * queue;
  availableRing = (queue: number): number => this.memory.base + STRIDE * queue + 0x400;
  usedRing = (queue: number): number => this.memory.base + STRIDE * queue + 0x800;

  /** Write one descriptor. */
  describe(queue: number, index: number, buffer: Buffer, flags: number, next: number): void {
    const at = this.descriptors(queue) - this.memory.base + 16 * index;
    this.memory.data.setBigUint64(at, BigInt(buffer.address), true);
    this.memory.data.setUint32(at + 8, buffer.length, true);
    this.memory.data.setUint16(at + 12, flags | (buffer.writable === true ? 2 : 0), true);
    this.memory.data.setUint16(at + 14, next, true);
  }

  /** Make a descriptor available. */
  offer(queue: number, head: number): void {
    const ring = this.availableRing(queue) - this.memory.base;
    const index = this.#available[queue] ?? 0;
    this.memory.data.setUint16(ring + 4 + 2 * (index % SIZE), head, true);
    this.#available[queue] = index + 1;
    this.memory.data.setUint16(ring + 2, index + 1, true);
  }

  /** Make one descriptor of queue 0 available, right or wrong. */
  offerRaw(buffer: Buffer, flags: number, next: number): void {
    this.describe(0, 0, buffer, flags, next);
    this.offer(0, 0);
  }

  /** Chain buffers, make them available, notify. */
  send(queue: number, ...buffers: Buffer[]): void {
    const first = this.#nextDescriptor[queue] ?? 0;
    buffers.forEach((buffer, index) => {
      const last = index === buffers.length - 1;
      this.describe(queue, (first + index) % SIZE, buffer, last ? 0 : 1, last ? 0 : (first + index + 1) % SIZE);
    });
    this.#nextDescriptor[queue] = (first + buffers.length) % SIZE;
    this.offer(queue, first);
    this.write(Reg.QUEUE_NOTIFY, queue);
  }

  /** Lengths of the buffers used since the last call. */
  used(queue: number): number[] {
    const ring = this.usedRing(queue) - this.memory.base;
    const lengths: number[] = [];
    for (; this.#seen[queue] !== this.memory.data.getUint16(ring + 2, true); this.#seen[queue]!++)
      lengths.push(this.memory.data.getUint32(ring + 8 + 8 * ((this.#seen[queue] ?? 0) % SIZE), true));
    return lengths;
  }
}
