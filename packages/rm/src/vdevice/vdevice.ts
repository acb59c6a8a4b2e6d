import type { CapId } from "@gunyah-ts/kernel";
import type { Interrupt, VdeviceConfig } from "../config/vdevices.ts";
import type { Parcel } from "../parcel/parcel.ts";

/** A virtual device of a VM, made. Capability ids are in the guest's own space: what the overlay tells it. */
export interface Vdevice {
  readonly config: VdeviceConfig;
  readonly handle: number;
  readonly peerVmid: number;
  /** One (doorbell, queue) or two (tx, rx) capabilities. */
  readonly caps: readonly CapId[];
  readonly interrupts: readonly Interrupt[];
  /** virtio-mmio: where the register page is in the guest. */
  readonly registers?: { readonly base: number; readonly size: number };
  /** shm and virtio-mmio: where the memory is in the guest, once it was accepted. */
  memory?: { readonly base: number; readonly size: number; readonly parcel: Parcel | undefined };
}
