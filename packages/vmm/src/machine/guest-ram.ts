import type { DmaMemory } from "@gunyah-ts/kernel";

/**
 * The guest's memory as the VMM set it up. How the guest gets it differs by ABI: page by page from a guest memory fd
 * (v15 and later), or all of it at start (v14).
 */
export interface GuestRam extends DmaMemory {
  readonly address: number;
  readonly size: number;
  /** Memory that the device tree announces as the devices' pool; undefined when devices may access all of it. */
  readonly dmaPool: { readonly address: number; readonly size: number } | undefined;
  /** Copy an image in, before the VM starts. */
  load(address: number, bytes: Uint8Array): void;
  /** Hand the memory to the VM. Before start, after everything was loaded. */
  attach(): Promise<void>;
  /** What has to happen between start and the first instruction. */
  started(): Promise<void>;
}
