import type { Pa } from "@gunyah-ts/kernel";
import type { GuestMm } from "./guest-mm.ts";

/**
 * A page or a 2 MiB page of a guest memory file.
 * Source: Linux struct folio, as drivers/virt/gunyah/guest_memfd.c uses it
 */
export class Folio {
  readonly pa: Pa;
  /** Pages of 4 KiB: 1 or 512. */
  readonly pages: number;
  /** Page index in the file. */
  readonly index: number;
  /** The private flag: lent, or part of a lent parcel. The host's kernel map lacks it. */
  isPrivate = false;
  /** The VM in whose memory tree it is, at `gfn`. */
  mm: GuestMm | undefined = undefined;
  gfn = 0;
  /** Tags of the tree entry. */
  isShared = false;
  isWritable = false;
  /** Held by the RM parcel of a VM (the device tree before the VM runs): punching or reclaiming it is refused. */
  parcel = 0;
  /** Frees it. Set when its file is gone and a VM or a parcel still has it. */
  orphaned: (() => void) | undefined;

  constructor(pa: Pa, pages: number, index: number) {
    this.pa = pa;
    this.pages = pages;
    this.index = index;
  }

  get size(): number {
    return this.pages * 4096;
  }

  /** A VM or a parcel let go of it. */
  put(): void {
    if (this.mm === undefined && this.parcel === 0) this.orphaned?.();
  }
}
