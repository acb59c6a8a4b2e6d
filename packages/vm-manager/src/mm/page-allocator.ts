import type { Pa } from "@gunyah-ts/kernel";

const PAGE = 4096;
/** Pages of a 2 MiB block. */
export const HUGE_PAGES = 512;
const BLOCK = PAGE * HUGE_PAGES;

export interface MemoryRange {
  readonly base: Pa;
  readonly size: number;
}

/**
 * The host kernel's page allocator: folios of 4 KiB and 2 MiB from the memory that the device tree gives to the host.
 *
 * Two orders are all that guest memory uses, so a bit per page and a count per 2 MiB block stand for the buddy lists.
 * A file may *reserve* a run of blocks: other allocations then prefer other blocks, so the file's pages can lie in
 * physical memory as they lie in the file, and a window over many of them is one array. A reservation is not an
 * allocation: nothing is touched, and under pressure others take its free pages.
 */
export class PageAllocator {
  readonly #base: Pa;
  readonly #blocks: number;
  /** Bit set: the page is in use (or not ours). */
  readonly #used: Uint32Array;
  /** Bit set: the page was in use once, so it may not be zero. */
  readonly #dirty: Uint32Array;
  /** Pages in use of each block. */
  readonly #usedInBlock: Uint16Array;
  readonly #reserved: Uint8Array;
  #cursor = 0;
  #free = 0;
  readonly #total: number;
  /** May make an allocation fail (tests, fault points). */
  fault: (() => boolean) | undefined;

  /**
   * @param memory ranges of the host's DRAM
   * @param reserved ranges that are not to be used
   */
  constructor(memory: readonly MemoryRange[], reserved: readonly MemoryRange[] = []) {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const { base, size } of memory) {
      low = Math.min(low, base);
      high = Math.max(high, base + size);
    }
    if (memory.length === 0) low = 0;
    this.#base = low - (low % BLOCK);
    this.#blocks = Math.ceil((high - this.#base) / BLOCK);
    const words = (this.#blocks * HUGE_PAGES) / 32;
    this.#used = new Uint32Array(words).fill(0xffff_ffff);
    this.#dirty = new Uint32Array(words);
    this.#usedInBlock = new Uint16Array(this.#blocks).fill(HUGE_PAGES);
    this.#reserved = new Uint8Array(this.#blocks);
    for (const { base, size } of memory) this.#mark(Math.ceil(base / PAGE) * PAGE, base + size, false);
    for (const { base, size } of reserved)
      this.#mark(base - (base % PAGE), Math.ceil((base + size) / PAGE) * PAGE, true);
    this.#total = this.#free;
  }

  get usedPages(): number {
    return this.#total - this.#free;
  }
  get totalPages(): number {
    return this.#total;
  }

  /**
   * One page.
   * @param hint take this page if it is free
   * @returns its address, or -1 (ENOMEM)
   */
  alloc(hint?: Pa): Pa | -1 {
    if (this.fault?.() === true) return -1;
    if (hint !== undefined && hint >= 0) {
      const page = (hint - this.#base) / PAGE;
      if (page >= 0 && page < this.#blocks * HUGE_PAGES && !this.#isUsed(page)) return this.#take(page);
    }
    const block = this.#findBlock((b) => (this.#usedInBlock[b] as number) < HUGE_PAGES);
    if (block < 0) return -1;
    this.#cursor = block;
    const words = this.#used;
    for (let w = block * 16; ; w++) {
      const free = ~(words[w] as number) >>> 0;
      if (free !== 0) return this.#take(w * 32 + (31 - Math.clz32(free & -free)));
    }
  }

  /** A 2 MiB folio, aligned. @returns its address, or -1 */
  allocHuge(hint?: Pa): Pa | -1 {
    if (this.fault?.() === true) return -1;
    let block = -1;
    if (hint !== undefined && hint >= 0) {
      const wanted = (hint - this.#base) / BLOCK;
      if (wanted >= 0 && wanted < this.#blocks && this.#usedInBlock[wanted] === 0) block = wanted;
    }
    if (block < 0) block = this.#findBlock((b) => this.#usedInBlock[b] === 0);
    if (block < 0) return -1;
    this.#used.fill(0xffff_ffff, block * 16, block * 16 + 16);
    this.#usedInBlock[block] = HUGE_PAGES;
    this.#free -= HUGE_PAGES;
    return this.#base + block * BLOCK;
  }

  /** Give pages back. */
  free(pa: Pa, pages: number): void {
    const first = (pa - this.#base) / PAGE;
    for (let page = first; page < first + pages; page++) {
      const bit = 1 << (page & 31);
      const word = page >>> 5;
      this.#used[word] = (this.#used[word] as number) & ~bit;
      this.#dirty[word] = (this.#dirty[word] as number) | bit;
      const block = page >>> 9;
      this.#usedInBlock[block] = (this.#usedInBlock[block] as number) - 1;
    }
    this.#free += pages;
  }

  /** Whether every page of the folio has never been used, so reads as zero. */
  isFresh(pa: Pa, pages: number): boolean {
    const first = (pa - this.#base) / PAGE;
    for (let page = first; page < first + pages; page++) {
      if (((this.#dirty[page >>> 5] as number) & (1 << (page & 31))) !== 0) return false;
    }
    return true;
  }

  /** Prefer other blocks for other users. @returns the base of `size` bytes of unused blocks, or -1 for none */
  reserve(size: number): Pa | -1 {
    const count = Math.ceil(size / BLOCK);
    if (count === 0) return -1;
    // From the top, so that small allocations from the bottom seldom meet reservations.
    let run = 0;
    for (let block = this.#blocks - 1; block >= 0; block--) {
      run = this.#usedInBlock[block] === 0 && this.#reserved[block] === 0 ? run + 1 : 0;
      if (run === count) {
        this.#reserved.fill(1, block, block + count);
        return this.#base + block * BLOCK;
      }
    }
    return -1;
  }

  unreserve(base: Pa | -1, size: number): void {
    if (base < 0) return;
    const block = (base - this.#base) / BLOCK;
    this.#reserved.fill(0, block, block + Math.ceil(size / BLOCK));
  }

  #isUsed(page: number): boolean {
    return ((this.#used[page >>> 5] as number) & (1 << (page & 31))) !== 0;
  }

  #take(page: number): Pa {
    const word = page >>> 5;
    this.#used[word] = (this.#used[word] as number) | (1 << (page & 31));
    const block = page >>> 9;
    this.#usedInBlock[block] = (this.#usedInBlock[block] as number) + 1;
    this.#free--;
    return this.#base + page * PAGE;
  }

  /** A block that fits: at the cursor, any that nobody reserved, any at all. */
  #findBlock(fits: (block: number) => boolean): number {
    if (this.#cursor < this.#blocks && this.#reserved[this.#cursor] === 0 && fits(this.#cursor)) return this.#cursor;
    let last = -1;
    for (let block = 0; block < this.#blocks; block++) {
      if (!fits(block)) continue;
      if (this.#reserved[block] === 0) return block;
      last = block;
    }
    return last;
  }

  #mark(from: number, to: number, used: boolean): void {
    const first = Math.max(0, (from - this.#base) / PAGE);
    const end = Math.min((to - this.#base) / PAGE, this.#blocks * HUGE_PAGES);
    for (let page = first; page < Math.floor(end); page++) {
      if (this.#isUsed(page) === used) continue;
      const word = page >>> 5;
      this.#used[word] = (this.#used[word] as number) ^ (1 << (page & 31));
      const block = page >>> 9;
      this.#usedInBlock[block] = (this.#usedInBlock[block] as number) + (used ? 1 : -1);
      this.#free += used ? -1 : 1;
    }
  }
}
