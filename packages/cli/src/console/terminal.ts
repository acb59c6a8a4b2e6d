import type { ConsolePort } from "@gunyah-ts/kernel";

/** Ctrl-A, as in QEMU and screen. */
const ESCAPE = 0x01;
const HELP = [
  "",
  "Ctrl-A x  quit",
  "Ctrl-A s  show the status",
  "Ctrl-A a  send Ctrl-A to the guest",
  "Ctrl-A h  this help",
  "",
].join("\r\n");

export interface TerminalActions {
  quit(): void;
  /** One line. */
  status(): string;
  hangup(): void;
}

/**
 * The user's terminal as the guest's console. On a terminal it is in raw mode, so that ^C reaches the guest;
 * `close` puts everything back, and is called when the process exits for whatever reason.
 */
export class Terminal implements ConsolePort {
  readonly #input: NodeJS.ReadStream;
  readonly #output: NodeJS.WriteStream;
  readonly #inputListeners = new Set<(bytes: Uint8Array) => void>();
  readonly #resizeListeners = new Set<() => void>();
  readonly #actions: TerminalActions;
  readonly #raw: boolean;
  #escaped = false;
  #closed = false;
  /** Input from before the guest's first device listens. */
  #early: Uint8Array[] = [];

  constructor(input: NodeJS.ReadStream, output: NodeJS.WriteStream, actions: TerminalActions) {
    this.#input = input;
    this.#output = output;
    this.#actions = actions;
    this.#raw = input.isTTY === true;
    if (this.#raw) input.setRawMode(true);
    input.on("data", this.#onData);
    input.on("end", this.#onEnd);
    input.on("error", this.#onEnd);
    output.on("resize", this.#onResize);
    // A reader that went away (`gunyah run | head`) ends the run instead of throwing.
    output.on("error", this.#onOutputError);
    process.on("exit", this.close);
    input.resume();
  }

  get size(): ConsolePort["size"] {
    return this.#output.isTTY ? { columns: this.#output.columns, rows: this.#output.rows } : undefined;
  }

  output(bytes: Uint8Array): void {
    // The bytes are reused by the caller, and the stream may keep them.
    if (!this.#closed) this.#output.write(bytes.slice());
  }

  onInput(listener: (bytes: Uint8Array) => void): () => void {
    this.#inputListeners.add(listener);
    for (const bytes of this.#early.splice(0)) listener(bytes);
    return () => this.#inputListeners.delete(listener);
  }

  onResize(listener: () => void): () => void {
    this.#resizeListeners.add(listener);
    return () => this.#resizeListeners.delete(listener);
  }

  /** Write a line of our own between the guest's. */
  say(text: string): void {
    const newline = this.#raw ? "\r\n" : "\n";
    process.stderr.write(`${newline}${text}${newline}`);
  }

  readonly close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#raw) {
      this.#input.setRawMode(false);
      // Attributes, cursor, alternate screen, bracketed paste and line wrap as a shell expects them.
      this.#output.write("\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?2004l\x1b[?7h");
    }
    this.#input.off("data", this.#onData);
    this.#input.off("end", this.#onEnd);
    this.#input.off("error", this.#onEnd);
    this.#output.off("resize", this.#onResize);
    process.off("exit", this.close);
    this.#input.pause();
  };

  readonly #onData = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : new Uint8Array(chunk);
    const forGuest = this.#raw ? this.#takeEscapes(bytes) : bytes;
    if (forGuest.length === 0) return;
    if (this.#inputListeners.size === 0) this.#early.push(forGuest);
    for (const listener of this.#inputListeners) listener(forGuest);
  };

  /** A pipe that ends has said all it had to say; a terminal that ends is gone. */
  readonly #onEnd = (): void => {
    if (this.#raw) this.#actions.hangup();
  };

  readonly #onOutputError = (): void => {
    this.#actions.hangup();
  };

  readonly #onResize = (): void => {
    for (const listener of this.#resizeListeners) listener();
  };

  #takeEscapes(bytes: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const byte of bytes) {
      if (this.#escaped) {
        this.#escaped = false;
        const key = String.fromCharCode(byte).toLowerCase();
        if (key === "x") this.#actions.quit();
        else if (key === "s") this.say(this.#actions.status());
        else if (key === "a" || byte === ESCAPE) kept.push(ESCAPE);
        else this.say(HELP);
      } else if (byte === ESCAPE) this.#escaped = true;
      else kept.push(byte);
    }
    return Uint8Array.from(kept);
  }
}
