/**
 * eventfd: a 64-bit counter that wakes whoever waits for it.
 * Source: eventfd(2); Linux fs/eventfd.c for the in-kernel signal that saturates and for semaphore mode.
 */
import type { EventFd } from "../contracts/eventfd.ts";

const EAGAIN = 11;
const EINVAL = 22;
const ULLONG_MAX = 0xffff_ffff_ffff_ffffn;

export interface EventFdOptions {
  /** EFD_SEMAPHORE: a read takes one. */
  readonly semaphore?: boolean;
}

/** @param initial start value of the counter, 0 to 2^64 - 2 */
export function createEventFd(initial = 0n, options: EventFdOptions = {}): EventFd {
  return new CountingEventFd(initial, options.semaphore === true);
}

class CountingEventFd implements EventFd {
  #count: bigint;
  readonly #semaphore: boolean;
  #listeners: readonly (() => void)[] = [];
  readonly #waiters = new Set<() => void>();

  constructor(initial: bigint, semaphore: boolean) {
    this.#count = initial;
    this.#semaphore = semaphore;
  }

  get readable(): boolean {
    return this.#count > 0n;
  }

  write(value: bigint): number {
    if (value === ULLONG_MAX) return -EINVAL;
    if (this.#count + value >= ULLONG_MAX) return -EAGAIN;
    this.#count += value;
    this.#wake();
    return 0;
  }

  signal(): void {
    if (this.#count < ULLONG_MAX) this.#count += 1n;
    this.#wake();
  }

  read(): bigint | undefined {
    if (this.#count === 0n) return undefined;
    const value = this.#semaphore ? 1n : this.#count;
    this.#count -= value;
    return value;
  }

  wait(signal?: AbortSignal): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(attempt);
        reject(signal?.reason);
      };
      const attempt = () => {
        const value = this.read();
        if (value === undefined) return;
        this.#waiters.delete(attempt);
        signal?.removeEventListener("abort", abort);
        resolve(value);
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(attempt);
      attempt();
    });
  }

  onSignal(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
    for (const attempt of [...this.#waiters]) attempt();
  }
}
