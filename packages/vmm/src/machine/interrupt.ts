import type { EventFd, InterruptLine } from "@gunyah-ts/kernel";

/**
 * A device's line on an irqfd: each signal rings the guest's doorbell once. For a level device the doorbell
 * acknowledges itself, so the guest sees one interrupt for each rising edge; a driver that leaves its handler only
 * when no cause is pending, as the PL011's and 16550's do, misses nothing.
 */
export class IrqfdLine implements InterruptLine {
  readonly #event: EventFd;
  #level = false;

  constructor(event: EventFd) {
    this.#event = event;
  }

  set(level: boolean): void {
    const rises = level && !this.#level;
    this.#level = level;
    if (rises) this.#event.signal();
  }

  pulse(): void {
    this.#event.signal();
  }
}
