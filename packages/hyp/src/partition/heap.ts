/**
 * The part of the carve-out that objects are charged to. Object state lives in this process's heap; what is modelled
 * is that it is finite, so that creation fails with NOMEM and nothing leaks unnoticed.
 * Differs: the bytes of the carve-out are not used, and sizes of objects are near the source's, not equal.
 * Source: gunyah-hypervisor hyp/mem/allocator_list, partition_alloc
 */
export class Heap {
  readonly capacity: number;
  #used = 0;

  /** @param capacity bytes */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** @returns false when it does not fit; nothing is taken then */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.capacity) return false;
    this.#used += bytes;
    return true;
  }

  free(bytes: number): void {
    this.#used -= bytes;
  }
}
