import { RmError } from "@gunyah-ts/abi";
import { check } from "../errors.ts";
import type { Parcel } from "./parcel.ts";

/** Every memory parcel by handle. Handles count up and are not used again. */
export class ParcelTable {
  readonly #parcels = new Map<number, Parcel>();
  #next = 1;

  nextHandle(): number {
    return this.#next++;
  }
  add(parcel: Parcel): void {
    this.#parcels.set(parcel.handle, parcel);
  }
  delete(parcel: Parcel): void {
    this.#parcels.delete(parcel.handle);
  }
  get(handle: number): Parcel | undefined {
    return this.#parcels.get(handle);
  }
  /** HANDLE_INVALID when there is none. */
  find(handle: number): Parcel {
    const parcel = this.#parcels.get(handle);
    check(parcel !== undefined, RmError.HANDLE_INVALID, `no parcel ${handle}`);
    return parcel;
  }
  [Symbol.iterator](): Iterator<Parcel> {
    return this.#parcels.values();
  }
  get size(): number {
    return this.#parcels.size;
  }
  ownedBy(vmid: number): Parcel[] {
    return [...this.#parcels.values()].filter((parcel) => parcel.owner === vmid);
  }
}
