import { MapMemFlag } from "@gunyah-ts/abi";
import type { OpenFile } from "../kernel/open-file.ts";
import type { GuestMemfd } from "./guest-memfd.ts";
import type { GuestMm } from "./guest-mm.ts";

/**
 * A range of a guest memory file at a range of guest addresses, in pages.
 * Source: Linux series v17, drivers/virt/gunyah/guest_memfd.c, struct gunyah_gmem_binding
 */
export class Binding {
  readonly mm: GuestMm;
  readonly memfd: GuestMemfd;
  readonly file: OpenFile;
  /** VM_MAP_MEM flags without UNMAP. */
  readonly flags: number;
  /** First page of the guest range, and of the file range. Change together when the head is unmapped. */
  gfn: number;
  first: number;
  count: number;

  constructor(
    mm: GuestMm,
    memfd: GuestMemfd,
    file: OpenFile,
    flags: number,
    gfn: number,
    first: number,
    count: number,
  ) {
    this.mm = mm;
    this.memfd = memfd;
    this.file = file;
    this.flags = flags;
    this.gfn = gfn;
    this.first = first;
    this.count = count;
  }

  /** FORCE_LEND, or the default: RM isolates VMs. */
  get isLend(): boolean {
    return (this.flags & MapMemFlag.ACCESS_MASK) !== MapMemFlag.FORCE_SHARE;
  }
  get isWritable(): boolean {
    return (this.flags & MapMemFlag.ALLOW_WRITE) !== 0;
  }
  /** R 4, W 2, X 1. */
  get rights(): number {
    return (
      ((this.flags & MapMemFlag.ALLOW_READ) !== 0 ? 4 : 0) |
      ((this.flags & MapMemFlag.ALLOW_WRITE) !== 0 ? 2 : 0) |
      ((this.flags & MapMemFlag.ALLOW_EXEC) !== 0 ? 1 : 0)
    );
  }
}
