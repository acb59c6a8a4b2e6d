/**
 * Virtio over MMIO between two VMs: the hypervisor emulates the register writes of the front-end, keeps the
 * register page that the front-end reads (an extent mapped read-only there), and tells the back-end.
 * Source: gunyah-hypervisor hyp/vm/virtio_mmio/src/virtio_mmio.c, vdevice.c; virtio 1.1 §4.2.2
 */

import { GunyahError } from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { Memextent } from "../memory/memextent.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import type { Vdevice } from "../vcpu/address-space.ts";
import { VirqSource } from "../virq/virq-source.ts";

export const VIRTIO_MMIO_MAX_VQS = 16;
/** Feature words that each side banks. */
const FEATURE_WORDS = 2;
const QUEUE_BYTES = 36;

/** Register offsets. Source: virtio 1.1 §4.2.2, MMIO Device Register Layout */
export const VirtioMmioReg = {
  DEV_FEAT: 0x010,
  DEV_FEAT_SEL: 0x014,
  DRV_FEAT: 0x020,
  DRV_FEAT_SEL: 0x024,
  QUEUE_SEL: 0x030,
  QUEUE_NUM_MAX: 0x034,
  QUEUE_NUM: 0x038,
  QUEUE_READY: 0x044,
  QUEUE_NOTIFY: 0x050,
  INTERRUPT_STATUS: 0x060,
  INTERRUPT_ACK: 0x064,
  STATUS: 0x070,
  QUEUE_DESC_LOW: 0x080,
  QUEUE_DESC_HIGH: 0x084,
  QUEUE_DRV_LOW: 0x090,
  QUEUE_DRV_HIGH: 0x094,
  QUEUE_DEV_LOW: 0x0a0,
  QUEUE_DEV_HIGH: 0x0a4,
  CONFIG: 0x100,
} as const;

const STATUS_DRIVER_OK = 0x04;
const STATUS_NEEDS_RESET = 0x40;
const STATUS_FAILED = 0x80;

/** Why the back-end is notified, as bits. Source: hyp/interfaces/virtio_mmio/virtio_mmio.tc, virtio_mmio_notify_reason */
export const NotifyReason = { NEW_BUFFER: 1, RESET_REQUEST: 2, DRIVER_OK: 8, FAILED: 16 } as const;

/** VIRTIO_F_VERSION_1 (32) and VIRTIO_F_ACCESS_PLATFORM (33) in feature word 1: the hypervisor insists on both. */
const REQUIRED_FEATURES = 0x3;
/** VIRTIO_F_NOTIFICATION_DATA (38) in feature word 1. */
const FORBIDDEN_FEATURES = 0x40;

/** Registers of one virtqueue, as the front-end wrote them. */
export interface VirtQueueRegs {
  numMax: number;
  num: number;
  ready: number;
  descLow: number;
  descHigh: number;
  drvLow: number;
  drvHigh: number;
  devLow: number;
  devHigh: number;
}

export class VirtioMmio extends HypObject implements Vdevice {
  static readonly TYPE = "virtio_mmio";
  override readonly type = VirtioMmio.TYPE;
  /** Asserted at the front-end when the back-end raises an interrupt. */
  readonly backendSource = new VirqSource(() => this.#read(VirtioMmioReg.INTERRUPT_STATUS) !== 0);
  /** Asserted at the back-end when the front-end wrote something. */
  readonly frontendSource = new VirqSource(() => this.#reason !== 0);
  #extent: Memextent | undefined;
  #queueCount = 0;
  #queues: VirtQueueRegs[] = [];
  #charged = 0;
  readonly #deviceFeatures = new Uint32Array(FEATURE_WORDS);
  readonly #driverFeatures = new Uint32Array(FEATURE_WORDS);
  #driverFeatureSel = 0;
  #queueSel = 0;
  #notified = 0;
  #reason = 0;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 512);
  }

  get extent(): Memextent | undefined {
    return this.#extent;
  }

  /**
   * Differs: device types with a configuration space of their own (virtio-input) are modules that this model lacks.
   * @param deviceType undefined: not given
   * @returns GunyahError: ARGUMENT_INVALID
   */
  configure(extent: Memextent, queues: number, deviceType: number | undefined): GunyahError {
    if (extent.isSparse || extent.size !== PAGE_SIZE || queues > VIRTIO_MMIO_MAX_VQS)
      return GunyahError.ARGUMENT_INVALID;
    if (deviceType !== undefined) return GunyahError.ARGUMENT_INVALID;
    this.#extent?.release();
    this.#extent = extent.retain();
    this.#queueCount = queues;
    return GunyahError.OK;
  }

  protected override onActivate(): GunyahError {
    const extent = this.#extent;
    if (extent === undefined) return GunyahError.OBJECT_CONFIG;
    if (extent.attachedSize !== 0 || extent.children.size > 0) return GunyahError.BUSY;
    const bytes = this.#queueCount * QUEUE_BYTES;
    if (!this.core.heap.take(bytes)) return GunyahError.NOMEM;
    this.#charged = bytes;
    extent.attachedSize = extent.size;
    extent.vdevice = this;
    this.#queues = Array.from({ length: this.#queueCount }, () => ({
      numMax: 0,
      num: 0,
      ready: 0,
      descLow: 0,
      descHigh: 0,
      drvLow: 0,
      drvHigh: 0,
      devLow: 0,
      devHigh: 0,
    }));
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    this.backendSource.unbind();
    this.frontendSource.unbind();
    this.core.heap.free(this.#charged);
    if (this.#extent !== undefined) {
      this.#extent.attachedSize = 0;
      this.#extent.vdevice = undefined;
    }
  }

  protected override onCleanup(): void {
    this.#extent?.release();
    this.#extent = undefined;
  }

  #read(offset: number): number {
    return this.#extent === undefined ? 0 : this.core.memory.data.getUint32(this.#at(offset), true);
  }
  #write(offset: number, value: number): void {
    this.core.memory.data.setUint32(this.#at(offset), value, true);
    this.core.memory.wrote((this.#extent as Memextent).physBase + offset, 4);
  }
  #at(offset: number): number {
    return this.core.memory.offsetOf((this.#extent as Memextent).physBase + offset);
  }

  /** Raise interrupts at the front-end. @returns GunyahError: DENIED while a reset is pending */
  assertInterrupt(status: number): GunyahError {
    if ((this.#read(VirtioMmioReg.STATUS) & STATUS_NEEDS_RESET) !== 0) return GunyahError.DENIED;
    this.#write(VirtioMmioReg.INTERRUPT_STATUS, (this.#read(VirtioMmioReg.INTERRUPT_STATUS) | status) >>> 0);
    this.backendSource.assert(false);
    return GunyahError.OK;
  }

  /** @returns GunyahError: ARGUMENT_INVALID (selector), DENIED (features that the hypervisor insists on or forbids) */
  setDeviceFeatures(sel: number, features: number): GunyahError {
    if (sel >= FEATURE_WORDS) return GunyahError.ARGUMENT_INVALID;
    if (sel === 1) {
      if ((features & REQUIRED_FEATURES) !== REQUIRED_FEATURES) return GunyahError.DENIED;
      if ((features & FORBIDDEN_FEATURES) !== 0) return GunyahError.DENIED;
    }
    this.#deviceFeatures[sel] = features;
    return GunyahError.OK;
  }

  /** What the driver accepted. @returns 32 bits, or -1 for a bad selector */
  driverFeatures(sel: number): number {
    return sel < FEATURE_WORDS ? (this.#driverFeatures[sel] as number) : -1;
  }

  queue(sel: number): VirtQueueRegs | undefined {
    return this.#queues[sel];
  }

  /** Notified queues (bit mask) and reasons since the last call; both clear, and with them the back-end's interrupt. */
  takeNotification(): { queues: number; reason: number } {
    const taken = { queues: this.#notified, reason: this.#reason };
    this.#notified = 0;
    this.#reason = 0;
    this.frontendSource.clear();
    return taken;
  }

  acknowledgeReset(): void {
    this.#write(VirtioMmioReg.STATUS, 0);
  }

  updateStatus(value: number): void {
    this.#write(VirtioMmioReg.STATUS, value);
  }

  /** Reads do not trap: the page is mapped. A front-end without the mapping faults. */
  vdeviceRead(): number {
    return -1;
  }

  vdeviceWrite(_index: number, offset: number, size: 1 | 2 | 4, value: number): boolean {
    if (offset % size !== 0) return false;
    // Bytes only in the configuration space, half-words nowhere.
    if (size === 2 || (size === 1 && offset < VirtioMmioReg.CONFIG)) return false;
    const queue = this.#queues[this.#queueSel];
    switch (offset) {
      case VirtioMmioReg.DEV_FEAT_SEL:
        if (value >= FEATURE_WORDS) return false;
        this.#write(VirtioMmioReg.DEV_FEAT, this.#deviceFeatures[value] as number);
        return true;
      case VirtioMmioReg.DRV_FEAT:
        this.#driverFeatures[this.#driverFeatureSel] = value;
        return true;
      case VirtioMmioReg.DRV_FEAT_SEL:
        if (value >= FEATURE_WORDS) return false;
        this.#driverFeatureSel = value;
        return true;
      case VirtioMmioReg.QUEUE_SEL:
        return this.#selectQueue(value);
      case VirtioMmioReg.QUEUE_NOTIFY:
        this.#notified = (this.#notified | (1 << (value & 31))) >>> 0;
        this.#notify(NotifyReason.NEW_BUFFER);
        return true;
      case VirtioMmioReg.INTERRUPT_ACK:
        this.#write(VirtioMmioReg.INTERRUPT_STATUS, (this.#read(VirtioMmioReg.INTERRUPT_STATUS) & ~value) >>> 0);
        return true;
      case VirtioMmioReg.STATUS:
        this.#writeStatus(value);
        return true;
      default:
        // No configuration space: this model has no device types, so a write there faults.
        return queue !== undefined && this.#writeQueue(queue, offset, value);
    }
  }

  #selectQueue(index: number): boolean {
    const queue = this.#queues[index];
    if (queue === undefined) return false;
    this.#queueSel = index;
    this.#write(VirtioMmioReg.QUEUE_NUM_MAX, queue.numMax);
    this.#write(VirtioMmioReg.QUEUE_READY, queue.ready);
    return true;
  }

  #writeQueue(queue: VirtQueueRegs, offset: number, value: number): boolean {
    switch (offset) {
      case VirtioMmioReg.QUEUE_NUM:
        queue.num = value;
        return true;
      case VirtioMmioReg.QUEUE_READY:
        queue.ready = value;
        this.#write(VirtioMmioReg.QUEUE_READY, value);
        return true;
      case VirtioMmioReg.QUEUE_DESC_LOW:
        queue.descLow = value;
        return true;
      case VirtioMmioReg.QUEUE_DESC_HIGH:
        queue.descHigh = value;
        return true;
      case VirtioMmioReg.QUEUE_DRV_LOW:
        queue.drvLow = value;
        return true;
      case VirtioMmioReg.QUEUE_DRV_HIGH:
        queue.drvHigh = value;
        return true;
      case VirtioMmioReg.QUEUE_DEV_LOW:
        queue.devLow = value;
        return true;
      case VirtioMmioReg.QUEUE_DEV_HIGH:
        queue.devHigh = value;
        return true;
      default:
        return false;
    }
  }

  /** A zero only asks for a reset: the status reads as zero when the back-end has done it. */
  #writeStatus(value: number): void {
    const old = this.#read(VirtioMmioReg.STATUS);
    if (value !== 0) {
      this.#write(VirtioMmioReg.STATUS, value);
      if ((old & STATUS_DRIVER_OK) === 0 && (value & STATUS_DRIVER_OK) !== 0) this.#notify(NotifyReason.DRIVER_OK);
      else if ((old & STATUS_FAILED) === 0 && (value & STATUS_FAILED) !== 0) this.#notify(NotifyReason.FAILED);
      return;
    }
    if (old === 0) return;
    this.#write(VirtioMmioReg.STATUS, old | STATUS_NEEDS_RESET);
    for (const queue of this.#queues) queue.ready = 0;
    this.#write(VirtioMmioReg.QUEUE_READY, 0);
    this.#notify(NotifyReason.RESET_REQUEST);
  }

  #notify(reason: number): void {
    this.#reason |= reason;
    this.frontendSource.assert(false);
  }
}
