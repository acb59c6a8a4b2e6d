import type { CodecValue, RmAclEntry, RmAttrEntry } from "@gunyah-ts/abi";
import type { CapId, Ipa, Pa } from "@gunyah-ts/kernel";
import type { Undo } from "../undo.ts";

export type AclEntry = CodecValue<typeof RmAclEntry>;
export type AttrEntry = CodecValue<typeof RmAttrEntry>;

/** A physically contiguous piece. `ownerIpa` is where the owner has (or had) it. Bytes. */
export interface Region {
  readonly pa: Pa;
  readonly size: number;
  readonly ownerIpa: Ipa;
}

/** One VM's acceptance: where each region is, or will be, in its address space. */
export interface Acceptance {
  readonly vmid: number;
  /** By region index; undefined until assigned. */
  ipas: (Ipa | undefined)[];
  /** Reservations in the VM's address space. */
  readonly reserved: Undo;
  isMapped: boolean;
  readonly contiguous: boolean;
  sanitizeOnRelease: boolean;
}

/** SHARING: complete, nobody accepted. SHARED: at least one acceptance. */
export type ParcelState = "INIT" | "SHARING" | "SHARED";

/**
 * Memory on loan. Its pages are owned by an extent of its own, made for it alone.
 * Source: gunyah-resource-manager src/memparcel/memparcel.c, struct memparcel
 */
export interface Parcel {
  readonly handle: number;
  readonly owner: number;
  readonly transType: number;
  readonly memType: number;
  readonly label: number;
  readonly sanitizeOnCreate: boolean;
  /** The acceptor's own extent that has the pages now: the parcel only says that they are in use. */
  adopter: CapId | undefined;
  readonly acl: readonly AclEntry[];
  readonly attrs: readonly AttrEntry[];
  readonly extent: CapId;
  regions: Region[];
  readonly acceptances: Map<number, Acceptance>;
  state: ParcelState;
  /** mem-info tag of the first NOTIFY. */
  tag: number | undefined;
  locked: boolean;
}

export function parcelSize(parcel: Parcel): number {
  return parcel.regions.reduce((total, region) => total + region.size, 0);
}

/** Pieces of [offset, offset + size) of a parcel, in order. Undefined when it reaches beyond the end. */
export function slice(parcel: Parcel, offset: number, size: number): Region[] | undefined {
  const out: Region[] = [];
  let at = 0;
  let left = size;
  let from = offset;
  for (const region of parcel.regions) {
    if (left === 0) break;
    if (from < at + region.size) {
      const skip = from - at;
      const take = Math.min(region.size - skip, left);
      out.push({ pa: region.pa + skip, size: take, ownerIpa: region.ownerIpa + skip });
      left -= take;
      from += take;
    }
    at += region.size;
  }
  return left === 0 ? out : undefined;
}
