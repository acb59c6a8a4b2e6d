import type { ConsolePort } from "@gunyah-ts/kernel";

/** Looks at an empty receiver in a row, with nothing else between, after which a guest polls for input. */
const POLLS = 16;

/**
 * The receiving end of a UART: what the user typed, and the FIFO that the guest reads.
 *
 * A byte goes into the FIFO only while the guest listens: its receive interrupts are enabled, or it polls. What is typed
 * before waits, where hardware would lose it: drivers empty the FIFO when they start.
 */
export class SerialReceiver {
  readonly #changed: () => void;
  /** Typed by the user, not yet in the FIFO. */
  #typed: Uint8Array[] = [];
  /** Bytes of `#typed[0]` that are gone. */
  #taken = 0;
  readonly #fifo: number[] = [];
  #depth = 1;
  #on = false;
  #interrupts = false;
  #polls = 0;
  #end: () => void = () => {};

  /** @param changed called after bytes came into the FIFO */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The guest may run now. */
  connect(console: ConsolePort): void {
    this.#end = console.onInput((bytes) => {
      this.#typed.push(bytes.slice());
      this.#fill();
    });
  }

  disconnect(): void {
    this.#end();
  }

  /** Bytes in the FIFO. */
  get length(): number {
    return this.#fifo.length;
  }

  get isFull(): boolean {
    return this.#fifo.length >= this.#depth;
  }

  /** What the registers say: the FIFO's depth, whether the receiver is on, whether an interrupt tells the guest of input. */
  configure(depth: number, on: boolean, interrupts: boolean): void {
    this.#depth = depth;
    this.#on = on;
    this.#interrupts = interrupts;
    this.#polls = 0;
    this.#fill();
  }

  /** The guest looks whether there is something. */
  poll(): void {
    if (this.#fifo.length > 0 || ++this.#polls < POLLS) return;
    this.#fill();
  }

  /** The guest does something else with the UART. */
  touch(): void {
    this.#polls = 0;
  }

  /** The oldest byte of the FIFO. -1 when it is empty. */
  take(): number {
    const byte = this.#fifo.shift() ?? -1;
    this.#fill();
    return byte;
  }

  /** A byte from the UART's own transmitter. */
  loopBack(byte: number): void {
    if (!this.isFull) this.#fifo.push(byte);
    this.#changed();
  }

  /** Reset of the FIFO. */
  clear(): void {
    this.#fifo.length = 0;
    this.#fill();
  }

  #fill(): void {
    if (!this.#on || (!this.#interrupts && this.#polls < POLLS)) return;
    const before = this.#fifo.length;
    for (let first = this.#typed[0]; first !== undefined && !this.isFull; first = this.#typed[0]) {
      if (this.#taken < first.length) this.#fifo.push(first[this.#taken++] as number);
      else {
        this.#typed.shift();
        this.#taken = 0;
      }
    }
    if (this.#fifo.length > before) this.#changed();
  }
}
