import { type AbiProfile, FallocFlag, LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, HostFile, Pa } from "@gunyah-ts/kernel";
import { type HostMemory, PAGE_SIZE } from "../mm/host-memory.ts";
import { HUGE_PAGES } from "../mm/page-allocator.ts";
import type { Binding } from "./binding.ts";
import { Folio } from "./folio.ts";

/** A mapping of a file in a process, as the file sees it: [first, first + count) in pages of the file. */
export interface FileMapping {
  readonly first: number;
  readonly count: number;
  /** Pages of the file that the process touched through it. */
  readonly touched: Set<number>;
}

/**
 * A guest memory file: its page cache, its mappings and the bindings that use it.
 * Source: Linux series v17, drivers/virt/gunyah/guest_memfd.c
 */
export class GuestMemfd implements HostFile {
  readonly kind = "guest_memfd";
  /** Bytes, fixed. */
  readonly size: number;
  readonly hugePages: boolean;
  readonly memory: HostMemory;
  readonly #profile: AbiProfile;
  readonly #folios = new Map<number, Folio>();
  readonly mappings = new Set<FileMapping>();
  readonly bindings = new Set<Binding>();
  /** Where the file's pages lie if nothing is in the way: consecutive, so that windows can be long. */
  readonly #reserved: Pa | -1;

  constructor(memory: HostMemory, profile: AbiProfile, size: number, hugePages: boolean) {
    this.memory = memory;
    this.#profile = profile;
    this.size = size;
    this.hugePages = hugePages;
    this.#reserved = memory.pages.reserve(size);
  }

  /** The folio that holds page `index`, if it was allocated. */
  folioAt(index: number): Folio | undefined {
    const folio = this.#folios.get(index);
    if (folio !== undefined || !this.hugePages) return folio;
    const head = this.#folios.get(index - (index % HUGE_PAGES));
    return head?.pages === HUGE_PAGES ? head : undefined;
  }

  /** The folio of page `index`, allocated and zeroed when absent. Beyond the file's size too. @returns undefined for ENOMEM */
  getFolio(index: number): Folio | undefined {
    const there = this.folioAt(index);
    if (there !== undefined) return there;
    if (this.hugePages) {
      const head = index - (index % HUGE_PAGES);
      if (this.#isEmpty(head, HUGE_PAGES)) {
        const pa = this.memory.allocHugeZeroed(this.#hint(head));
        if (pa >= 0) return this.#add(new Folio(pa, HUGE_PAGES, head));
      }
    }
    const pa = this.memory.allocZeroed(this.#hint(index));
    return pa < 0 ? undefined : this.#add(new Folio(pa, 1, index));
  }

  /** Safe to lend: whether nothing of the folio is mapped in user space. v16 on: not even covered by a mapping. */
  isMapped(folio: Folio): boolean {
    for (const mapping of this.mappings) {
      if (mapping.first >= folio.index + folio.pages || folio.index >= mapping.first + mapping.count) continue;
      if (this.#profile.lendChecksVmas) return true;
      for (let i = folio.index; i < folio.index + folio.pages; i++) if (mapping.touched.has(i)) return true;
    }
    return false;
  }

  /**
   * mmap of [first, first + count), in pages.
   * @returns the mapping, or -EINVAL (private), or the errno of a folio that could not be taken back
   */
  map(first: number, count: number, shared: boolean): FileMapping | Errno {
    if (!shared && this.#profile.refusePrivateMmap) return -LinuxErrno.EINVAL;
    if (this.#profile.mmapTakesBack) {
      for (const binding of this.bindings) {
        if (!binding.isLend || binding.first >= first + count || first >= binding.first + binding.count) continue;
        // From the mapped offset to the end of the binding or of the mapping, whichever is larger.
        const from = Math.max(first, binding.first);
        const end = Math.max(first + count, binding.first + binding.count);
        const error = binding.mm.reclaimRange(binding.gfn + (from - binding.first), end - from);
        if (error !== 0) return error;
      }
    }
    const mapping = { first, count, touched: new Set<number>() };
    this.mappings.add(mapping);
    return mapping;
  }

  unmap(mapping: FileMapping): void {
    this.mappings.delete(mapping);
  }

  /** A user access to page `index` of a mapping. @returns the page's address, or -1 for SIGBUS */
  fault(mapping: FileMapping, index: number): Pa | -1 {
    if (index * PAGE_SIZE >= this.size) return -1;
    const folio = this.getFolio(index);
    if (folio === undefined) return -1;
    if (folio.isPrivate) {
      if (!this.#profile.mmapTakesBack) return -1;
      if (folio.mm === undefined || folio.mm.reclaimFolio(folio) !== 0) return -1;
    }
    if (!this.#profile.lendChecksVmas) mapping.touched.add(index);
    return folio.pa + (index - folio.index) * PAGE_SIZE;
  }

  /** fallocate(2). Source: gunyah_gmem_fallocate */
  fallocate(mode: number, offset: number, length: number): Errno {
    if ((mode & FallocFlag.KEEP_SIZE) === 0) return -LinuxErrno.EOPNOTSUPP;
    if ((mode & ~(FallocFlag.KEEP_SIZE | FallocFlag.PUNCH_HOLE | FallocFlag.ZERO_RANGE)) !== 0)
      return -LinuxErrno.EOPNOTSUPP;
    if (offset % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) return -LinuxErrno.EINVAL;
    const first = offset / PAGE_SIZE;
    const count = length / PAGE_SIZE;
    if ((mode & FallocFlag.PUNCH_HOLE) !== 0) return this.punchHole(first, count);
    if (offset + length > this.size) return -LinuxErrno.EINVAL;
    for (let i = first; i < first + count; ) {
      const folio = this.getFolio(i);
      if (folio === undefined) return -LinuxErrno.ENOMEM;
      i = folio.index + folio.pages;
    }
    return 0;
  }

  /**
   * Take back and free every folio that overlaps the range.
   * @returns -EBUSY when one cannot be freed; v15 drops them from the file and answers 0
   */
  punchHole(first: number, count: number): Errno {
    let result: Errno = 0;
    const folios = count > this.#folios.size ? [...this.#folios.values()] : this.#range(first, count);
    for (const folio of folios) {
      if (folio.index >= first + count || first >= folio.index + folio.pages) continue;
      if (!this.#evict(folio) && this.#profile.mmapTakesBack) result = -LinuxErrno.EBUSY;
    }
    return result;
  }

  /** The last reference is gone. A folio that cannot be freed now goes when whoever has it lets go. */
  release(): void {
    if (!this.#profile.bindingHoldsFile) for (const binding of [...this.bindings]) binding.mm.dropBinding(binding);
    for (const folio of [...this.#folios.values()]) {
      if (!this.#evict(folio)) folio.orphaned = () => this.#evict(folio);
    }
    this.memory.pages.unreserve(this.#reserved, this.size);
  }

  /** @returns whether the folio is free now */
  #evict(folio: Folio): boolean {
    if (folio.mm !== undefined && folio.mm.reclaimFolio(folio) !== 0) return false;
    if (folio.parcel > 0) return false;
    this.#folios.delete(folio.index);
    this.memory.pages.free(folio.pa, folio.pages);
    for (const mapping of this.mappings) {
      for (let i = folio.index; i < folio.index + folio.pages; i++) mapping.touched.delete(i);
    }
    return true;
  }

  #range(first: number, count: number): Folio[] {
    const out: Folio[] = [];
    for (let i = first; i < first + count; ) {
      const folio = this.folioAt(i);
      if (folio !== undefined) out.push(folio);
      i = folio === undefined ? i + 1 : folio.index + folio.pages;
    }
    return out;
  }

  #isEmpty(first: number, count: number): boolean {
    for (let i = first; i < first + count; i++) if (this.#folios.has(i)) return false;
    return true;
  }

  #hint(index: number): Pa | undefined {
    return this.#reserved < 0 || index * PAGE_SIZE >= this.size ? undefined : this.#reserved + index * PAGE_SIZE;
  }

  #add(folio: Folio): Folio {
    this.#folios.set(folio.index, folio);
    return folio;
  }
}
