import type { Sleep } from "../kernel/scheduler.ts";

/**
 * A VM's status_lock. VM_START holds it across everything that it waits for; every other section under it, for read or
 * for write, is over before another task runs, so readers need no count of their own.
 *
 * Who waits is served in the order of arrival and has the lock when it wakes: nothing can come between.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.h, struct gunyah_vm, status_lock
 */
export class StatusLock {
  readonly #sleep: () => Sleep;
  #isHeld = false;
  readonly #queue: (() => void)[] = [];

  /** @param sleep the calling task sleeps */
  constructor(sleep: () => Sleep) {
    this.#sleep = sleep;
  }

  /** Whether a start is under way. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Hold the lock for a section that sleeps. */
  async hold<T>(section: () => Promise<T>): Promise<T> {
    if (this.#isHeld) {
      const sleep = this.#sleep();
      this.#queue.push(() => {
        this.#isHeld = true;
        sleep.wake();
      });
      await sleep.done;
    } else this.#isHeld = true;
    try {
      return await section();
    } finally {
      this.#release();
    }
  }

  /** Run a section that does not sleep: at once where the lock is free, else when its turn comes. */
  run<T>(section: () => T): T | Promise<T> {
    return this.#isHeld ? this.#runLater(section) : section();
  }

  async #runLater<T>(section: () => T): Promise<T> {
    const sleep = this.#sleep();
    const out: { value?: T } = {};
    this.#queue.push(() => {
      out.value = section();
      sleep.wake();
    });
    await sleep.done;
    return out.value as T;
  }

  /** The same for an interrupt handler, which cannot wait for the section to run. */
  post(section: () => void): void {
    if (this.#isHeld) this.#queue.push(section);
    else section();
  }

  #release(): void {
    this.#isHeld = false;
    while (!this.#isHeld) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      next();
    }
  }
}
