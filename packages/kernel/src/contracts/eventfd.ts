/**
 * An eventfd: a 64-bit counter that wakes whoever waits for it.
 * Source: Linux Documentation/filesystems, eventfd(2).
 */
export interface EventFd {
  /**
   * Add `value` (0 to 2^64 - 2) to the counter and wake waiters.
   * @returns 0, or -EAGAIN (-11) where the sum would pass 2^64 - 2; -EINVAL (-22) for 2^64 - 1
   */
  write(value: bigint): number;
  /** Like an in-kernel eventfd_signal: add 1, saturating, never blocks. */
  signal(): void;
  /** Non-blocking read: the counter (then 0), or 1n in semaphore mode (then counter - 1); undefined for EAGAIN. */
  read(): bigint | undefined;
  /** Blocking read. */
  wait(signal?: AbortSignal): Promise<bigint>;
  readonly readable: boolean;
  /**
   * An in-kernel waiter (what irqfd uses): called synchronously in every write or signal, counter untouched.
   * Returns the function that removes it.
   */
  onSignal(listener: () => void): () => void;
}
