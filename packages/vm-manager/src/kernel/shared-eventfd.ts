import { LinuxErrno } from "@gunyah-ts/abi";
import type { EventFd } from "@gunyah-ts/kernel";

/** ES2024; in every engine that this package supports. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(
    words: Int32Array<SharedArrayBuffer>,
    index: number,
    value: number,
  ): { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
};

const MAX = 0xffff_ffff_ffff_ffffn;
/** 64-bit counter at word 0; 32-bit change count at byte 8; flags at byte 12. */
const SIZE = 16;

export interface SharedEventFdOptions {
  /** EFD_SEMAPHORE: a read takes one. */
  readonly semaphore?: boolean;
  /** How whoever called `wait` goes on: call `resume`, now or later, but once. Default: now. */
  readonly handOver?: (resume: () => void) => void;
}

/** An eventfd whose counter other threads can share. */
export interface SharedEventFd extends EventFd {
  /**
   * The counter, to post to a worker, which calls `attachEventFd` on it. From then on changes made there reach the
   * listeners and waiters here as well.
   */
  share(): SharedArrayBuffer;
  /** Stop hearing of other threads. */
  dispose(): void;
}

/**
 * An eventfd in shared memory: every operation is atomic, so any thread may do it.
 * Source: eventfd(2); Linux fs/eventfd.c
 *
 * Listeners (irqfd) run in the writer's stack when it is in this thread, as in the kernel's wait queue. A write in
 * another thread reaches them one turn of the event loop later, through Atomics.waitAsync.
 */
export function createSharedEventFd(initial = 0n, options: SharedEventFdOptions = {}): SharedEventFd {
  const buffer = new SharedArrayBuffer(SIZE);
  new BigUint64Array(buffer)[0] = initial;
  new Int32Array(buffer)[3] = options.semaphore === true ? 1 : 0;
  return new CounterEventFd(buffer, options.handOver ?? resumeNow, false);
}

/** The same eventfd in another thread. */
export function attachEventFd(buffer: SharedArrayBuffer): SharedEventFd {
  return new CounterEventFd(buffer, resumeNow, true);
}

const resumeNow = (resume: () => void): void => resume();

class CounterEventFd implements SharedEventFd {
  readonly #buffer: SharedArrayBuffer;
  readonly #count: BigUint64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #semaphore: boolean;
  readonly #handOver: (resume: () => void) => void;
  #listeners: readonly (() => void)[] = [];
  readonly #waiters = new Set<() => boolean>();
  /** Change count that this thread has reacted to. */
  #seen: number;
  #listening = false;
  #shared: boolean;
  #disposed = false;

  constructor(buffer: SharedArrayBuffer, handOver: (resume: () => void) => void, attached: boolean) {
    this.#buffer = buffer;
    this.#count = new BigUint64Array(buffer, 0, 1);
    this.#words = new Int32Array(buffer);
    this.#semaphore = this.#words[3] === 1;
    this.#handOver = handOver;
    this.#seen = Atomics.load(this.#words, 2);
    this.#shared = attached;
  }

  get readable(): boolean {
    return Atomics.load(this.#count, 0) > 0n;
  }

  write(value: bigint): number {
    if (value === MAX) return -LinuxErrno.EINVAL;
    for (;;) {
      const old = Atomics.load(this.#count, 0);
      if (old + value >= MAX) return -LinuxErrno.EAGAIN;
      if (Atomics.compareExchange(this.#count, 0, old, old + value) === old) break;
    }
    this.#changed();
    return 0;
  }

  signal(): void {
    for (;;) {
      const old = Atomics.load(this.#count, 0);
      if (old === MAX || Atomics.compareExchange(this.#count, 0, old, old + 1n) === old) break;
    }
    this.#changed();
  }

  read(): bigint | undefined {
    for (;;) {
      const old = Atomics.load(this.#count, 0);
      if (old === 0n) return undefined;
      const value = this.#semaphore ? 1n : old;
      if (Atomics.compareExchange(this.#count, 0, old, old - value) === old) return value;
    }
  }

  wait(signal?: AbortSignal): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(attempt);
        reject(signal?.reason);
      };
      const attempt = (): boolean => {
        const value = this.read();
        if (value === undefined) return false;
        this.#waiters.delete(attempt);
        signal?.removeEventListener("abort", abort);
        // Also for what is there already: a process that always finds something to do must not stop the others.
        this.#handOver(() => resolve(value));
        return true;
      };
      if (signal?.aborted === true) return abort();
      if (attempt()) return;
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(attempt);
      this.#listen();
    });
  }

  onSignal(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners = [...this.#listeners, entry];
    this.#listen();
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  share(): SharedArrayBuffer {
    this.#shared = true;
    this.#listen();
    return this.#buffer;
  }

  dispose(): void {
    this.#disposed = true;
    Atomics.notify(this.#words, 2);
  }

  #changed(): void {
    if (this.#shared) {
      this.#seen = (Atomics.add(this.#words, 2, 1) + 1) | 0;
      Atomics.notify(this.#words, 2);
    }
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
    for (const attempt of [...this.#waiters]) attempt();
  }

  /** Hear of other threads, while there is anyone here to tell. */
  #listen(): void {
    if (!this.#shared || this.#listening || this.#disposed) return;
    if (this.#listeners.length === 0 && this.#waiters.size === 0) return;
    this.#listening = true;
    const seen = this.#seen;
    const outcome = waitAsync(this.#words, 2, seen);
    const heard = (): void => {
      this.#listening = false;
      if (this.#disposed) return;
      const now = Atomics.load(this.#words, 2);
      if (now !== this.#seen) {
        this.#seen = now;
        this.#wake();
      }
      this.#listen();
    };
    if (outcome.async) outcome.value.then(heard);
    else queueMicrotask(heard);
  }
}
