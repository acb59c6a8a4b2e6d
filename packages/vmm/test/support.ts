import {
  type ConsolePort,
  createSeededEntropy,
  createVirtualClock,
  type DeviceContext,
  type DmaMemory,
  type InterruptLine,
} from "@gunyah-ts/kernel";

/** Guest memory at `base`, a plain array. */
export class ArrayMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  readonly base: number;

  constructor(size: number, base = 0x8000_0000) {
    this.bytes = new Uint8Array(size);
    this.data = new DataView(this.bytes.buffer);
    this.base = base;
  }

  window(address: number, length: number): Uint8Array | undefined {
    const start = address - this.base;
    return start < 0 || start + length > this.bytes.length ? undefined : this.bytes.subarray(start, start + length);
  }

  read(address: number, into: Uint8Array): boolean {
    const window = this.window(address, into.length);
    if (window !== undefined) into.set(window);
    return window !== undefined;
  }

  write(address: number, bytes: Uint8Array): boolean {
    const window = this.window(address, bytes.length);
    window?.set(bytes);
    return window !== undefined;
  }
}

/** A line that remembers. */
export class RecordedLine implements InterruptLine {
  level = false;
  pulses = 0;

  set(level: boolean): void {
    this.level = level;
  }

  pulse(): void {
    this.pulses++;
  }
}

/** A console whose two ends are arrays. */
export class RecordedConsole implements ConsolePort {
  text = "";
  size: ConsolePort["size"] = { columns: 100, rows: 30 };
  readonly #input = new Set<(bytes: Uint8Array) => void>();
  readonly #resize = new Set<() => void>();

  output(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  type(text: string): void {
    for (const listener of this.#input) listener(new TextEncoder().encode(text));
  }

  resize(columns: number, rows: number): void {
    this.size = { columns, rows };
    for (const listener of this.#resize) listener();
  }

  onInput(listener: (bytes: Uint8Array) => void): () => void {
    this.#input.add(listener);
    return () => this.#input.delete(listener);
  }

  onResize(listener: () => void): () => void {
    this.#resize.add(listener);
    return () => this.#resize.delete(listener);
  }
}

export function deviceContext(console = new RecordedConsole()): DeviceContext & { readonly logged: string[] } {
  const logged: string[] = [];
  return {
    name: "device0",
    clock: createVirtualClock(),
    entropy: createSeededEntropy(1),
    trace: { enabled: false, emit: () => {}, listenErrors: () => () => {} },
    log: (_level, message) => logged.push(message),
    console,
    logged,
  };
}
