import { ModelError } from "@gunyah-ts/kernel";

/** Something that occupies guest physical addresses. Bytes. */
export interface Placement {
  readonly name: string;
  readonly address: number;
  readonly size: number;
}

/**
 * Who sits where in the guest's physical address space: refuses two on one place, and names both.
 */
export class AddressMap {
  readonly #placements: Placement[] = [];

  get placements(): readonly Placement[] {
    return this.#placements;
  }

  /** Errors: VMM_LAYOUT_OVERLAP */
  add(placement: Placement): void {
    const other = this.#placements.find(
      ({ address, size }) => address < placement.address + placement.size && placement.address < address + size,
    );
    if (other !== undefined)
      throw new ModelError("VMM_LAYOUT_OVERLAP", `${describe(placement)} collides with ${describe(other)}`);
    this.#placements.push(placement);
  }

  /** Add, and check that it lies inside `region`. Errors: VMM_LAYOUT_OUTSIDE, VMM_LAYOUT_OVERLAP */
  addInside(placement: Placement, region: Placement): void {
    if (placement.address < region.address || placement.address + placement.size > region.address + region.size)
      throw new ModelError("VMM_LAYOUT_OUTSIDE", `${describe(placement)} does not fit into ${describe(region)}`);
    this.add(placement);
  }
}

export function describe({ name, address, size }: Placement): string {
  return `${name} (0x${address.toString(16)} to 0x${(address + size - 1).toString(16)}, ${formatSize(size)})`;
}

export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const)
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  return `${bytes} bytes`;
}
