/** Bytes that wait for a serial device with a small FIFO. First in, first out; grows with what the user types. */
export class SerialInput {
  #bytes: number[] = [];
  #head = 0;

  get length(): number {
    return this.#bytes.length - this.#head;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }

  /** The oldest byte. -1 when there is none. */
  shift(): number {
    const byte = this.#bytes[this.#head];
    if (byte === undefined) return -1;
    if (++this.#head > 4096) {
      this.#bytes = this.#bytes.slice(this.#head);
      this.#head = 0;
    }
    return byte;
  }
}
