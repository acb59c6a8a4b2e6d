import { createSeededEntropy, createVirtualClock } from "@gunyah-ts/kernel";
/** Guest memory at `base`, a plain array. */
export class ArrayMemory {
  bytes;
  data;
  base;
  constructor(size, base = 0x8000_0000) {
    this.bytes = new Uint8Array(size);
    this.data = new DataView(this.bytes.buffer);
    this.base = base;
  }
  window(address, length) {
    const start = address - this.base;
    return start < 0 || start + length > this.bytes.length ? undefined : this.bytes.subarray(start, start + length);
  }
  read(address, into) {
    const window = this.window(address, into.length);
    if (window !== undefined) into.set(window);
    return window !== undefined;
  }
  write(address, bytes) {
    const window = this.window(address, bytes.length);
    window?.set(bytes);
    return window !== undefined;
  }
}
/** A line that remembers. */
export class RecordedLine {
  level = false;
  pulses = 0;
  set(level) {
    this.level = level;
  }
  pulse() {
    this.pulses++;
  }
}
/** A console whose two ends are arrays. */
export class RecordedConsole {
  text = "";
  size = { columns: 100, rows: 30 };
  #input = new Set();
  #resize = new Set();
  output(bytes) {
    this.text += new TextDecoder().decode(bytes);
  }
  type(text) {
    for (const listener of this.#input) listener(new TextEncoder().encode(text));
  }
  resize(columns, rows) {
    this.size = { columns, rows };
    for (const listener of this.#resize) listener();
  }
  onInput(listener) {
    this.#input.add(listener);
    return () => this.#input.delete(listener);
  }
  onResize(listener) {
    this.#resize.add(listener);
    return () => this.#resize.delete(listener);
  }
}
export function deviceContext(console = new RecordedConsole()) {
  const logged = [];
  return {
    name: "device0",
    clock: createVirtualClock(),
    entropy: createSeededEntropy(1),
    trace: { enabled: false, emit: () => {} },
    log: (_level, message) => logged.push(message),
    console,
    logged,
  };
}
//# sourceMappingURL=support.js.map
