import type { ConsolePort } from "@gunyah-ts/kernel";

interface Waiter {
  readonly pattern: string | RegExp;
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A console whose far end is a program: what the guest prints is text, what the program types reaches the guest.
 * Input from before the guest's first device listens is kept.
 */
export class ProgramConsole implements ConsolePort {
  readonly size = undefined;
  readonly #decoder = new TextDecoder();
  readonly #onOutput: (text: string) => void;
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  #early: Uint8Array[] = [];
  #waiters: Waiter[] = [];
  #text = "";
  /** Where the next `waitFor` begins to look. */
  #seen = 0;
  #closed = false;

  /** @param onOutput hears every piece of text as the guest prints it */
  constructor(onOutput: (text: string) => void = () => {}) {
    this.#onOutput = onOutput;
  }

  /** All that the guest printed so far. */
  get text(): string {
    return this.#text;
  }

  /** Type into the guest. */
  type(text: string): void {
    const bytes = new TextEncoder().encode(text);
    if (this.#listeners.size === 0) this.#early.push(bytes);
    for (const listener of this.#listeners) listener(bytes);
  }

  /**
   * Wait until the guest prints something that matches, behind the previous match.
   * @returns the text from the previous match to the end of this one. Rejects when the console is closed first.
   */
  waitFor(pattern: string | RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ pattern, resolve, reject });
      this.#look();
    });
  }

  /** The guest is gone: whoever waits learns it. */
  close(): void {
    this.#closed = true;
    this.#look();
  }

  output(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#text += text;
    this.#onOutput(text);
    this.#look();
  }

  onInput(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    for (const bytes of this.#early.splice(0)) listener(bytes);
    return () => this.#listeners.delete(listener);
  }

  onResize(): () => void {
    return () => {};
  }

  #look(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const end = this.#endOf(waiter.pattern);
      if (end === undefined) break;
      const found = this.#text.slice(this.#seen, end);
      this.#seen = end;
      this.#waiters.shift();
      waiter.resolve(found);
    }
    if (!this.#closed) return;
    for (const { pattern, reject } of this.#waiters.splice(0))
      reject(
        new Error(`the guest ended without printing ${String(pattern)}; its last words: ${this.#text.slice(-500)}`),
      );
  }

  #endOf(pattern: string | RegExp): number | undefined {
    const rest = this.#text.slice(this.#seen);
    if (typeof pattern === "string") {
      const at = rest.indexOf(pattern);
      return at < 0 ? undefined : this.#seen + at + pattern.length;
    }
    const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).exec(rest);
    return match === null ? undefined : this.#seen + match.index + match[0].length;
  }
}
