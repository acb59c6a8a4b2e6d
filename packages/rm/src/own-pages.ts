import type { Ipa } from "@gunyah-ts/kernel";

const PAGE = 4096;

/**
 * Pages of the RM's own memory that it turns into register pages of devices. The first half of that memory: the other
 * holds what the hypervisor handed over, and the message buffer.
 */
export class OwnPages {
  readonly #end: Ipa;
  #next: Ipa;
  readonly #returned: Ipa[] = [];

  /** @param base,size all of its memory, bytes */
  constructor(base: Ipa, size: number) {
    this.#next = base;
    this.#end = base + Math.floor(size / PAGE / 2) * PAGE;
  }

  /** One page, with whatever is in it. @returns undefined when none is left */
  take(): Ipa | undefined {
    const returned = this.#returned.pop();
    if (returned !== undefined || this.#next >= this.#end) return returned;
    const page = this.#next;
    this.#next += PAGE;
    return page;
  }
  giveBack(page: Ipa): void {
    this.#returned.push(page);
  }
}
