/**
 * The hypervisor's own DRAM, handed out by the page for translation tables.
 * Source: gunyah-hypervisor hyp/core/partition_standard (hypervisor partition)
 */

import { assertModel, PAGE_SIZE, type Pa, type PhysicalMemory } from "@gunyah-ts/kernel";

export class CarveOut {
  readonly base: Pa;
  readonly size: number;
  readonly memory: PhysicalMemory;
  /** The linear memory as 32-bit words: table entries are read and written here. */
  readonly words: Uint32Array;
  /** Entries in use of each table page, by page index in the carve-out. For the table that lives in the page. */
  readonly used: Uint16Array;
  readonly #free: number[] = [];
  /** Free pages that hold only zeros: tables that were given back because they were empty. */
  readonly #zeroed: number[] = [];
  readonly #limit: number;
  #next = 0;
  #taken = 0;

  /** @param tableBytes how much of the carve-out may become tables; the rest is the objects' heap */
  constructor(memory: PhysicalMemory, base: Pa, size: number, tableBytes: number) {
    assertModel(memory.contains(base, size), "BUG_HYP_CARVE_OUT", "the carve-out is not in DRAM");
    this.memory = memory;
    this.base = base;
    this.size = size;
    this.words = new Uint32Array(memory.memory.buffer);
    this.#limit = Math.floor(tableBytes / PAGE_SIZE);
    this.used = new Uint16Array(this.#limit);
  }

  /** Pages in use. */
  get pages(): number {
    return this.#taken;
  }

  contains(pa: Pa): boolean {
    return pa >= this.base && pa < this.base + this.size;
  }

  /** Index of a table's page in `used`. */
  indexOf(pa: Pa): number {
    return (pa - this.base) / PAGE_SIZE;
  }

  /** Index in `words` of a page's first word. */
  wordOf(pa: Pa): number {
    return this.memory.offsetOf(pa) / 4;
  }

  /** A zeroed page. @returns -1 when there is none left */
  allocate(): Pa | -1 {
    let index = this.#zeroed.pop();
    if (index !== undefined) {
      this.#taken++;
      return this.base + index * PAGE_SIZE;
    }
    index = this.#free.pop();
    if (index === undefined) {
      if (this.#next >= this.#limit) return -1;
      index = this.#next++;
    }
    this.#taken++;
    this.used[index] = 0;
    const pa = this.base + index * PAGE_SIZE;
    const word = this.wordOf(pa);
    this.words.fill(0, word, word + PAGE_SIZE / 4);
    return pa;
  }

  /** @param isZero the page holds only zeros, and its count of entries is 0 */
  free(pa: Pa, isZero = false): void {
    this.#taken--;
    (isZero ? this.#zeroed : this.#free).push(this.indexOf(pa));
  }
}
