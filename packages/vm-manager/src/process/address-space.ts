import { LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, Pa } from "@gunyah-ts/kernel";
import type { FileMapping, GuestMemfd } from "../gunyah/guest-memfd.ts";
import type { OpenFile } from "../kernel/open-file.ts";
import { type HostMemory, PAGE_SIZE } from "../mm/host-memory.ts";

/** What lies behind a virtual memory area. */
interface Area {
  readonly start: number;
  readonly length: number;
  /** Physical address of page `index` of the area, faulted in; -1 for SIGBUS. Undefined for areas of kernel pages. */
  page?(index: number): Pa | -1;
  /** Kernel pages, mapped as they are. */
  readonly kernel?: Uint8Array;
  /** munmap of the whole area. */
  end(): void;
}

/** Where the first mapping goes. */
const MMAP_BASE = 0x7f00_0000_0000;

/**
 * A process's memory: areas that fault pages in. User addresses are numbers of at most 47 bits.
 * Source: Linux struct mm_struct, as far as a VMM needs it
 */
export class AddressSpace {
  readonly #memory: HostMemory;
  readonly #areas = new Map<number, Area>();
  #next = MMAP_BASE;
  #last: Area | undefined;

  constructor(memory: HostMemory) {
    this.#memory = memory;
  }

  /** Anonymous memory, zeroed, allocated when touched. @returns its address */
  mapAnonymous(length: number): number {
    const pages = this.#memory.pages;
    const size = Math.ceil(Math.max(length, 1) / PAGE_SIZE) * PAGE_SIZE;
    const reserved = size >= 65536 ? pages.reserve(size) : -1;
    const frames = new Map<number, Pa>();
    let hint: Pa | undefined;
    return this.#add(size, {
      page: (index) => {
        const there = frames.get(index);
        if (there !== undefined) return there;
        const wanted = reserved >= 0 ? reserved + index * PAGE_SIZE : hint;
        const pa = this.#memory.allocZeroed(wanted);
        if (pa < 0) return -1;
        hint = pa + PAGE_SIZE;
        frames.set(index, pa);
        return pa;
      },
      end: () => {
        for (const pa of frames.values()) pages.free(pa, 1);
        pages.unreserve(reserved, size);
      },
    });
  }

  /** mmap of kernel pages; touching the area beyond them is SIGBUS. */
  mapKernel(kernel: Uint8Array, length: number, file: OpenFile): number {
    file.get();
    return this.#add(Math.ceil(Math.max(length, 1) / PAGE_SIZE) * PAGE_SIZE, { kernel, end: () => file.put() });
  }

  /** mmap of a guest memory file. @returns the address, or a negative errno */
  mapGuestMemory(memfd: GuestMemfd, file: OpenFile, offset: number, length: number, shared: boolean): number {
    const size = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    if (size === 0 || offset % PAGE_SIZE !== 0 || offset < 0) return -LinuxErrno.EINVAL;
    const mapping: FileMapping | Errno = memfd.map(offset / PAGE_SIZE, size / PAGE_SIZE, shared);
    if (typeof mapping === "number") return mapping;
    file.get();
    return this.#add(size, {
      page: (index) => memfd.fault(mapping, mapping.first + index),
      end: () => {
        memfd.unmap(mapping);
        file.put();
      },
    });
  }

  /** munmap of a whole area, or of areas that lie entirely in the range. @returns -EINVAL for a part of one */
  unmap(address: number, length: number): Errno {
    if (address % PAGE_SIZE !== 0 || length <= 0) return -LinuxErrno.EINVAL;
    const end = address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    const inside: Area[] = [];
    for (const area of this.#areas.values()) {
      if (area.start >= end || address >= area.start + area.length) continue;
      if (area.start < address || area.start + area.length > end) return -LinuxErrno.EINVAL;
      inside.push(area);
    }
    for (const area of inside) this.#remove(area);
    return 0;
  }

  /** The area that starts at `address` ends. @returns whether there was one */
  unmapAt(address: number): boolean {
    const area = this.#areas.get(address);
    if (area === undefined) return false;
    this.#remove(area);
    return true;
  }

  clear(): void {
    for (const area of [...this.#areas.values()]) this.#remove(area);
  }

  /** A window on [address, address + length), faulted in; undefined for a fault, or for pages that are not adjacent. */
  window(address: number, length: number, access: "r" | "rw"): Uint8Array | undefined {
    const area = this.#find(address);
    if (area === undefined || address + length > area.start + area.length) return undefined;
    const at = address - area.start;
    if (area.kernel !== undefined)
      return at + length > area.kernel.length ? undefined : area.kernel.subarray(at, at + length);
    const first = Math.floor(at / PAGE_SIZE);
    const last = Math.floor((at + Math.max(length, 1) - 1) / PAGE_SIZE);
    const base = this.#page(area, first);
    if (base < 0) return undefined;
    for (let i = first + 1; i <= last; i++) {
      if (this.#page(area, i) !== base + (i - first) * PAGE_SIZE) return undefined;
    }
    return this.#memory.window(base + (at % PAGE_SIZE), length, access);
  }

  /** Copy out, page by page. @returns false for a fault */
  read(address: number, into: Uint8Array): boolean {
    return this.#pieces(address, into.length, (area, at, done, size) => {
      const piece = into.subarray(done, done + size);
      if (area.kernel === undefined) {
        const pa = this.#page(area, Math.floor(at / PAGE_SIZE));
        return pa >= 0 && this.#memory.read(pa + (at % PAGE_SIZE), piece);
      }
      if (at + size > area.kernel.length) return false;
      piece.set(area.kernel.subarray(at, at + size));
      return true;
    });
  }

  /** Copy in, page by page. @returns false for a fault */
  write(address: number, bytes: Uint8Array): boolean {
    return this.#pieces(address, bytes.length, (area, at, done, size) => {
      const piece = bytes.subarray(done, done + size);
      if (area.kernel === undefined) {
        const pa = this.#page(area, Math.floor(at / PAGE_SIZE));
        return pa >= 0 && this.#memory.write(pa + (at % PAGE_SIZE), piece);
      }
      if (at + size > area.kernel.length) return false;
      area.kernel.set(piece, at);
      return true;
    });
  }

  /**
   * get_user_pages: the physical pages of a range, faulted in (v14 pins them).
   * @returns their addresses in order, or undefined for a fault
   */
  pin(address: number, length: number): Pa[] | undefined {
    const out: Pa[] = [];
    for (let at = address; at < address + length; at += PAGE_SIZE) {
      const area = this.#find(at);
      if (area?.page === undefined) return undefined;
      const pa = this.#page(area, (at - area.start) / PAGE_SIZE);
      if (pa < 0) return undefined;
      out.push(pa);
    }
    return out;
  }

  #page(area: Area, index: number): Pa | -1 {
    return area.page?.(index) ?? -1;
  }

  #pieces(
    address: number,
    length: number,
    copy: (area: Area, at: number, done: number, size: number) => boolean,
  ): boolean {
    for (let done = 0; done < length; ) {
      const area = this.#find(address + done);
      if (area === undefined) return false;
      const at = address + done - area.start;
      const size = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE), area.length - at);
      if (!copy(area, at, done, size)) return false;
      done += size;
    }
    return true;
  }

  #find(address: number): Area | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.start && address < last.start + last.length) return last;
    for (const area of this.#areas.values()) {
      if (address >= area.start && address < area.start + area.length) {
        this.#last = area;
        return area;
      }
    }
    return undefined;
  }

  #add(size: number, backing: Omit<Area, "start" | "length">): number {
    const start = this.#next;
    // An unmapped page between areas: running over an end faults.
    this.#next += size + PAGE_SIZE;
    this.#areas.set(start, { start, length: size, ...backing });
    return start;
  }

  #remove(area: Area): void {
    this.#areas.delete(area.start);
    if (this.#last === area) this.#last = undefined;
    area.end();
  }
}
