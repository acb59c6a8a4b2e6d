import type { Ipa, NativeVcpu, Pa } from "@gunyah-ts/kernel";
import type { PageAllocator } from "./page-allocator.ts";

export const PAGE_SIZE = 4096;

/** Host physical addresses are IPAs of the host VM: RM maps it one to one. */
export const hostIpa = (pa: Pa): Ipa => pa as number;

/**
 * The host kernel's hands on its own memory. Host physical addresses are IPAs of the host VM, mapped one to one, and
 * every access goes through the host's vCPU: what is lent is not there.
 */
export class HostMemory {
  readonly pages: PageAllocator;
  readonly #vcpu: NativeVcpu;

  constructor(pages: PageAllocator, vcpu: NativeVcpu) {
    this.pages = pages;
    this.#vcpu = vcpu;
  }

  /** One zeroed page. @returns its address, or -1 (ENOMEM) */
  allocZeroed(hint?: Pa): Pa | -1 {
    const pa = this.pages.alloc(hint);
    if (pa >= 0) this.#zero(pa, 1);
    return pa;
  }

  /** A zeroed 2 MiB folio. */
  allocHugeZeroed(hint?: Pa): Pa | -1 {
    const pa = this.pages.allocHuge(hint);
    if (pa >= 0) this.#zero(pa, 512);
    return pa;
  }

  /** A window on [pa, pa + size), or undefined where the host may not touch it. "rw" counts as written. */
  window(pa: Pa, size: number, access: "r" | "rw"): Uint8Array | undefined {
    const view = this.#vcpu.view(hostIpa(pa), size, access);
    if (view !== undefined && access === "rw") this.#vcpu.wrote(hostIpa(pa), size);
    return view;
  }

  read(pa: Pa, into: Uint8Array): boolean {
    return this.#vcpu.read(hostIpa(pa), into);
  }
  write(pa: Pa, bytes: Uint8Array): boolean {
    return this.#vcpu.write(hostIpa(pa), bytes);
  }

  #zero(pa: Pa, count: number): void {
    // DRAM reads as zero until someone wrote to it, so pages that nobody had yet need no stores.
    if (!this.pages.isFresh(pa, count)) this.#vcpu.fill(hostIpa(pa), count * PAGE_SIZE, 0);
  }
}
