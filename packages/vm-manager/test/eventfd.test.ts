import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { attachEventFd, createSharedEventFd } from "../src/index.ts";

const MAX = 0xffff_ffff_ffff_ffffn;

describe("eventfd", () => {
  it("counts, reads to zero, and is not readable then", () => {
    const event = createSharedEventFd(2n);
    expect(event.write(3n)).toBe(0);
    expect([event.read(), event.read(), event.readable]).toEqual([5n, undefined, false]);
  });
  it("gives one at a time in semaphore mode", () => {
    const event = createSharedEventFd(2n, { semaphore: true });
    expect([event.read(), event.read(), event.read()]).toEqual([1n, 1n, undefined]);
  });
  it("refuses what does not fit; a signal saturates", () => {
    const event = createSharedEventFd(MAX - 2n);
    expect(event.write(MAX)).toBe(-22);
    expect(event.write(2n)).toBe(-11);
    event.signal();
    event.signal();
    event.signal();
    expect(event.read()).toBe(MAX);
  });
  it("wakes a waiter, calls listeners in the writer's stack, and lets a waiter give up", async () => {
    const event = createSharedEventFd();
    let heard = 0;
    const stop = event.onSignal(() => heard++);
    const waiting = event.wait();
    event.signal();
    expect(heard).toBe(1);
    expect(await waiting).toBe(1n);
    stop();
    event.signal();
    expect(heard).toBe(1);
    event.read();
    const gone = new AbortController();
    const given = event.wait(gone.signal);
    gone.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
  });
  it("is one eventfd in two threads", async () => {
    const event = createSharedEventFd();
    const buffer = event.share();
    const heard: number[] = [];
    event.onSignal(() => heard.push(1));
    // What another thread's eventfd does to the shared words: add, count the change, notify.
    const worker = new Worker(
      `const { workerData } = require("node:worker_threads");
       const words = new Int32Array(workerData), count = new BigUint64Array(workerData, 0, 1);
       Atomics.add(count, 0, 7n); Atomics.add(words, 2, 1); Atomics.notify(words, 2);`,
      { eval: true, workerData: buffer },
    );
    expect(await event.wait()).toBe(7n);
    expect(heard.length).toBeGreaterThan(0);
    await worker.terminate();
    const other = attachEventFd(buffer);
    const waiting = event.wait();
    other.signal();
    expect(await waiting).toBe(1n);
    event.dispose();
  });
});
