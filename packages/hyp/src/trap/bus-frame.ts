/**
 * The SoC's device memory as the host VM sees it: one to one, behind the devices that the hypervisor emulates.
 *
 * Differs: hardware maps device memory at stage 2 and the access never comes here; the CPU backend knows DRAM alone, so
 * the hypervisor carries it.
 */

import type { SystemBus } from "@gunyah-ts/kernel";
import type { Vdevice, VdeviceFrame } from "../vcpu/address-space.ts";

class BusVdevice implements Vdevice {
  readonly #bus: SystemBus;

  constructor(bus: SystemBus) {
    this.#bus = bus;
  }

  vdeviceRead(_index: number, pa: number, size: 1 | 2 | 4): number {
    const slot = this.#bus.find(pa, size);
    return slot === undefined ? -1 : slot.device.read(pa - slot.base, size);
  }

  vdeviceWrite(_index: number, pa: number, size: 1 | 2 | 4, value: number): boolean {
    const slot = this.#bus.find(pa, size);
    slot?.device.write(pa - slot.base, size, value >>> 0);
    return slot !== undefined;
  }
}

/** All of the bus as one frame at 0: an offset in it is a physical address. */
export function busFrame(bus: SystemBus): VdeviceFrame {
  return { base: 0, size: Number.MAX_SAFE_INTEGER, index: 0, device: new BusVdevice(bus) };
}
