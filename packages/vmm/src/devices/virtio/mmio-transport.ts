import type { Device, DeviceContext, DeviceResources, DmaMemory, NotifyRegister } from "@gunyah-ts/kernel";
import { bug } from "@gunyah-ts/kernel";
import { MmioInterrupt, MmioRegister as Reg, VirtioFeature, VirtioStatus } from "./constants.ts";
import type { QueueWork, VirtioDevice, VirtioHost } from "./virtio-device.ts";
import { Virtqueue } from "./virtqueue.ts";

/** "virt", little endian. */
const MAGIC = 0x74726976;
const VERSION = 2;
/** Free for implementers; the first letters of Gunyah, little endian. */
const VENDOR_ID = 0x594e5547;
/** Of a queue's work, in bytes, what is done in one go: about 2 ms. */
const BATCH_COST = 2 << 20;

/**
 * virtio over MMIO, version 2.
 * Source: VIRTIO 1.2 §4.2 Virtio Over MMIO, §3.1 Device Initialization.
 */
export class VirtioMmio implements Device, VirtioHost {
  readonly name: string;
  readonly windowSize = 0x1000;
  readonly interrupt = "edge";
  readonly description = {
    node: "virtio_mmio",
    properties: { compatible: "virtio,mmio", "dma-coherent": true },
    dma: true,
  } as const;
  readonly notifications: readonly NotifyRegister[];

  readonly #context: DeviceContext;
  readonly #device: VirtioDevice;
  readonly #features: bigint;
  readonly #queues: readonly Virtqueue[];
  /** Work under way on each queue. */
  readonly #work: (QueueWork | undefined)[] = [];
  #resources: DeviceResources | undefined;
  #driverFeatures = 0n;
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #queueSel = 0;
  #status = 0;
  #interruptStatus = 0;
  #configGeneration = 0;
  /** DRIVER_OK was set and the device told. */
  #active = false;

  constructor(context: DeviceContext, device: VirtioDevice) {
    this.name = context.name;
    this.#context = context;
    this.#device = device;
    this.#features =
      device.features | VirtioFeature.VERSION_1 | VirtioFeature.ACCESS_PLATFORM | VirtioFeature.INDIRECT_DESC;
    this.#queues = device.queueSizes.map((size) => new Virtqueue(size, () => this.memory));
    this.notifications = device.queueSizes.map((_, index) => ({
      offset: Reg.QUEUE_NOTIFY,
      length: 4,
      datamatch: index,
      notified: () => this.serve(index),
    }));
  }

  activate(resources: DeviceResources): void {
    this.#resources = resources;
  }

  async flush(): Promise<void> {
    await this.#device.flush?.();
  }

  async dispose(): Promise<void> {
    this.#reset();
    await this.#device.dispose?.();
  }

  // --- VirtioHost -----------------------------------------------------------------------------------------------

  get memory(): DmaMemory {
    return this.#resources?.memory ?? bug("BUG_DEVICE_INACTIVE", `${this.name} used before it was activated`);
  }

  queue(index: number): Virtqueue {
    return this.#queues[index] ?? bug("BUG_VIRTQUEUE", `${this.name} has no queue ${index}`);
  }

  serve(index: number): void {
    if (!this.#active || (this.#status & VirtioStatus.NEEDS_RESET) !== 0 || index >= this.#queues.length) return;
    // What is under way finds the new buffers by itself.
    if (this.#work[index] !== undefined) return;
    this.#work[index] = this.#device.serve(this, index);
    this.#goOn(index);
  }

  configChanged(): void {
    this.#configGeneration = (this.#configGeneration + 1) >>> 0;
    if (this.#active) this.#raise(MmioInterrupt.CONFIG_CHANGE);
  }

  fail(rule: string): void {
    if ((this.#status & VirtioStatus.NEEDS_RESET) !== 0) return;
    this.#context.log("warn", `${this.name}: the driver broke a rule, the device needs a reset: ${rule}`);
    this.#status |= VirtioStatus.NEEDS_RESET;
    // §2.1.2: a device that needs a reset after DRIVER_OK tells the driver with a configuration change.
    if (this.#active) this.#raise(MmioInterrupt.CONFIG_CHANGE);
  }

  // --- registers ------------------------------------------------------------------------------------------------

  read(offset: number, size: number): number {
    if (offset >= Reg.CONFIG) return this.#readConfig(offset - Reg.CONFIG, size);
    if (size !== 4) return 0; // §4.2.2.2: the driver uses 32-bit accesses for everything below the configuration
    switch (offset) {
      case Reg.MAGIC:
        return MAGIC;
      case Reg.VERSION:
        return VERSION;
      case Reg.DEVICE_ID:
        return this.#device.deviceId;
      case Reg.VENDOR_ID:
        return VENDOR_ID;
      case Reg.DEVICE_FEATURES:
        return word(this.#features, this.#deviceFeaturesSel);
      case Reg.QUEUE_NUM_MAX:
        return this.#selected?.maxSize ?? 0;
      case Reg.QUEUE_READY:
        return this.#selected?.ready === true ? 1 : 0;
      case Reg.INTERRUPT_STATUS:
        return this.#interruptStatus;
      case Reg.STATUS:
        return this.#status;
      case Reg.SHM_LEN_LOW:
      case Reg.SHM_LEN_HIGH:
      case Reg.SHM_BASE_LOW:
      case Reg.SHM_BASE_HIGH:
        return 0xffff_ffff; // §4.2.2.1: no such shared memory region
      case Reg.CONFIG_GENERATION:
        return this.#configGeneration;
      default:
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    if (offset >= Reg.CONFIG) {
      this.#device.writeConfig?.(offset - Reg.CONFIG, size, value);
      return;
    }
    if (size !== 4) return;
    switch (offset) {
      case Reg.DEVICE_FEATURES_SEL:
        this.#deviceFeaturesSel = value;
        return;
      case Reg.DRIVER_FEATURES_SEL:
        this.#driverFeaturesSel = value;
        return;
      case Reg.DRIVER_FEATURES:
        this.#writeDriverFeatures(value);
        return;
      case Reg.QUEUE_SEL:
        this.#queueSel = value;
        return;
      case Reg.QUEUE_NOTIFY:
        this.serve(value & 0xffff);
        return;
      case Reg.INTERRUPT_ACK:
        this.#interruptStatus &= ~value;
        return;
      case Reg.STATUS:
        this.#writeStatus(value & 0xff);
        return;
      default:
        this.#writeQueue(offset, value);
    }
  }

  get #selected(): Virtqueue | undefined {
    return this.#queues[this.#queueSel];
  }

  #writeDriverFeatures(value: number): void {
    // §2.2.1: features are fixed once the device accepted them.
    if ((this.#status & VirtioStatus.FEATURES_OK) !== 0 || this.#driverFeaturesSel > 1) return;
    const shift = BigInt(this.#driverFeaturesSel * 32);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value >>> 0) << shift);
  }

  #writeQueue(offset: number, value: number): void {
    const queue = this.#selected;
    if (queue === undefined) return;
    if (offset === Reg.QUEUE_READY) {
      this.#setReady(queue, (value & 1) !== 0);
      return;
    }
    if (queue.ready) return; // §4.2.2.2: the driver does not change a live queue
    switch (offset) {
      case Reg.QUEUE_NUM:
        queue.size = value;
        return;
      case Reg.QUEUE_DESC_LOW:
        queue.descriptorArea = withLow(queue.descriptorArea, value);
        return;
      case Reg.QUEUE_DESC_HIGH:
        queue.descriptorArea = withHigh(queue.descriptorArea, value);
        return;
      case Reg.QUEUE_DRIVER_LOW:
        queue.driverArea = withLow(queue.driverArea, value);
        return;
      case Reg.QUEUE_DRIVER_HIGH:
        queue.driverArea = withHigh(queue.driverArea, value);
        return;
      case Reg.QUEUE_DEVICE_LOW:
        queue.deviceArea = withLow(queue.deviceArea, value);
        return;
      case Reg.QUEUE_DEVICE_HIGH:
        queue.deviceArea = withHigh(queue.deviceArea, value);
        return;
    }
  }

  #setReady(queue: Virtqueue, ready: boolean): void {
    if (ready && (queue.size === 0 || queue.size > queue.maxSize || (queue.size & (queue.size - 1)) !== 0)) {
      this.fail(`queue ${this.#queueSel} has size ${queue.size}`);
      return;
    }
    // §2.7: alignment of descriptor table, available ring and used ring.
    if (ready && (queue.descriptorArea % 16 !== 0 || queue.driverArea % 2 !== 0 || queue.deviceArea % 4 !== 0)) {
      this.fail(`a part of queue ${this.#queueSel} is not aligned`);
      return;
    }
    queue.ready = ready;
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.#reset();
      return;
    }
    let status = (this.#status & VirtioStatus.NEEDS_RESET) | (value & ~VirtioStatus.NEEDS_RESET);
    const offered = (status & VirtioStatus.FEATURES_OK) !== 0 && (this.#status & VirtioStatus.FEATURES_OK) === 0;
    if (offered && !this.#featuresAccepted()) status &= ~VirtioStatus.FEATURES_OK;
    this.#status = status;
    const ready = VirtioStatus.DRIVER_OK | VirtioStatus.FEATURES_OK;
    if (!this.#active && (status & ready) === ready && (status & VirtioStatus.NEEDS_RESET) === 0) {
      this.#active = true;
      this.#device.activate(this, this.#driverFeatures);
    }
  }

  /** §6.1, §2.2.2: a subset of what was offered, VERSION_1 and ACCESS_PLATFORM among it. */
  #featuresAccepted(): boolean {
    const required = VirtioFeature.VERSION_1 | VirtioFeature.ACCESS_PLATFORM;
    return (this.#driverFeatures & ~this.#features) === 0n && (this.#driverFeatures & required) === required;
  }

  /** One batch; the interrupt for it, where the driver wants one; the rest later. */
  #goOn(index: number): void {
    const work = this.#work[index];
    if (work === undefined) return;
    let cost = 0;
    let done = false;
    while (!done && cost < BATCH_COST) {
      const step = work.next();
      done = step.done === true;
      cost += step.value ?? 0;
    }
    if (done) this.#work[index] = undefined;
    else
      this.#resources?.defer(() => {
        // Not what a reset has dropped meanwhile.
        if (this.#work[index] === work) this.#goOn(index);
      });
    const queue = this.queue(index);
    if (queue.takeInterrupt()) this.#raise(MmioInterrupt.USED_BUFFER);
    if (queue.broken !== undefined) this.fail(`queue ${index}: ${queue.broken}`);
  }

  #reset(): void {
    this.#work.length = 0;
    if (this.#active) this.#device.reset();
    this.#active = false;
    for (const queue of this.#queues) queue.reset();
    this.#driverFeatures = 0n;
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#queueSel = 0;
    this.#status = 0;
    this.#interruptStatus = 0;
  }

  #readConfig(offset: number, size: number): number {
    const { config } = this.#device;
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (config[offset + index] ?? 0);
    return value;
  }

  #raise(cause: number): void {
    this.#interruptStatus |= cause;
    this.#resources?.line.pulse();
  }
}

function word(value: bigint, selector: number): number {
  return selector > 1 ? 0 : Number((value >> BigInt(selector * 32)) & 0xffff_ffffn);
}

/** The 64-bit addresses are kept as numbers: guest physical addresses have at most 48 bits, others fail their first use. */
function withLow(address: number, value: number): number {
  return Math.floor(address / 2 ** 32) * 2 ** 32 + (value >>> 0);
}

function withHigh(address: number, value: number): number {
  return (value >>> 0) * 2 ** 32 + (address % 2 ** 32);
}
