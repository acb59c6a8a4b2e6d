import type { Pa } from "../contracts/address.ts";
import type { BusDevice, BusSlot, SystemBus } from "../contracts/system-bus.ts";
import { ModelError } from "../errors.ts";

export function createSystemBus(): SystemBus {
  return new SlotBus();
}

class SlotBus implements SystemBus {
  /** Sorted by base, disjoint. */
  readonly #slots: BusSlot[] = [];

  add(name: string, base: Pa, size: number, device: BusDevice): () => void {
    const slot: BusSlot = { name, base, size, device };
    const other = this.#slots.find((taken) => taken.base < base + size && base < taken.base + taken.size);
    if (other !== undefined)
      throw new ModelError(
        "KERNEL_BUS_OVERLAP",
        `${describe(slot)} collides with ${describe(other)}; move one of them`,
      );
    const at = this.#slots.findIndex((taken) => taken.base > base);
    this.#slots.splice(at < 0 ? this.#slots.length : at, 0, slot);
    return () => {
      const index = this.#slots.indexOf(slot);
      if (index >= 0) this.#slots.splice(index, 1);
    };
  }

  find(pa: Pa, size: number): BusSlot | undefined {
    let low = 0;
    let high = this.#slots.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const slot = this.#slots[middle] as BusSlot;
      if (pa < slot.base) high = middle - 1;
      else if (pa >= slot.base + slot.size) low = middle + 1;
      else return pa + size <= slot.base + slot.size ? slot : undefined;
    }
    return undefined;
  }
}

function describe({ name, base, size }: BusSlot): string {
  return `${name} (0x${base.toString(16)} to 0x${(base + size - 1).toString(16)})`;
}
