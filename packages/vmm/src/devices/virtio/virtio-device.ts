import type { DmaMemory } from "@gunyah-ts/kernel";
import type { Virtqueue } from "./virtqueue.ts";

/**
 * Work on a queue, in steps that take a millisecond at most. Each step yields its cost in bytes; see `chainCost`.
 * The transport stops between two steps and goes on later.
 */
export type QueueWork = Generator<number, void, void>;

/**
 * One virtio device type, whatever transport carries it. A driver's misdeed ends in `VirtioHost.fail`, never in an
 * exception.
 */
export interface VirtioDevice {
  /** §5, for example 2 for a block device. */
  readonly deviceId: number;
  /** Feature bits of this type; the transport adds its own. */
  readonly features: bigint;
  /** Largest size of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  /** Configuration space as the driver reads it. Changes are announced with `VirtioHost.configChanged`. */
  readonly config: Uint8Array;
  /** The driver set DRIVER_OK. */
  activate(host: VirtioHost, features: bigint): void;
  /** Serve a queue until it is empty: the driver made buffers available, or the device asked for it with `host.serve`. */
  serve(host: VirtioHost, queue: number): QueueWork;
  /** The driver wrote configuration space; most types have nothing writable. */
  writeConfig?(offset: number, size: number, value: number): void;
  /** Forget all that the driver set up. Work on queues is dropped where it is. */
  reset(): void;
  flush?(): Promise<void>;
  dispose?(): void | Promise<void>;
}

/** What the transport offers to an active device. */
export interface VirtioHost {
  readonly memory: DmaMemory;
  queue(index: number): Virtqueue;
  /** Serve a queue as if the driver had notified. */
  serve(index: number): void;
  configChanged(): void;
  /** The driver broke a rule: mark the device as needing a reset. */
  fail(rule: string): void;
}
