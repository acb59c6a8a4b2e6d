/** Timers by deadline, then by the order of `at`: a binary heap, so that the same calls give the same order. */
import type { ClockTimer } from "../contracts/clock.ts";

class Timer implements ClockTimer {
  readonly deadline: number;
  readonly order: number;
  expire: (() => void) | undefined;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, deadline: number, order: number, expire: () => void) {
    this.#queue = queue;
    this.deadline = deadline;
    this.order = order;
    this.expire = expire;
  }

  cancel(): void {
    if (this.expire === undefined) return;
    this.expire = undefined;
    this.#queue.cancelled();
  }
}

export class TimerQueue {
  #heap: Timer[] = [];
  #order = 0;
  /** Cancelled timers that are still in the heap. */
  #dead = 0;

  add(deadline: number, expire: () => void): ClockTimer {
    const timer = new Timer(this, deadline, this.#order++, expire);
    this.#push(timer);
    return timer;
  }

  /** Earliest deadline, or Infinity. */
  next(): number {
    this.#dropDeadTop();
    const top = this.#heap[0];
    return top === undefined ? Number.POSITIVE_INFINITY : top.deadline;
  }

  /** Run what is due at `now`; a timer added meanwhile with a due deadline runs too. Returns how many ran. */
  fire(now: number): number {
    let count = 0;
    while (this.next() <= now) {
      const timer = this.#pop();
      const expire = timer.expire;
      timer.expire = undefined;
      count++;
      expire?.();
    }
    return count;
  }

  /** A timer of the heap was cancelled. Rebuilds the heap when most of it is dead, so re-arming never piles up. */
  cancelled(): void {
    this.#dead++;
    if (this.#dead < 64 || this.#dead * 2 < this.#heap.length) return;
    const live = this.#heap.filter((timer) => timer.expire !== undefined);
    this.#heap = live.sort(earlier);
    this.#dead = 0;
  }

  #dropDeadTop(): void {
    while (this.#heap.length > 0 && (this.#heap[0] as Timer).expire === undefined) {
      this.#pop();
      this.#dead--;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Timer;
      if (earlier(above, timer) <= 0) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = timer;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const top = heap[0] as Timer;
    const last = heap.pop() as Timer;
    const length = heap.length;
    if (length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && earlier(heap[child + 1] as Timer, heap[child] as Timer) < 0) child++;
      if (earlier(last, heap[child] as Timer) <= 0) break;
      heap[i] = heap[child] as Timer;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function earlier(a: Timer, b: Timer): number {
  return a.deadline - b.deadline || a.order - b.order;
}
