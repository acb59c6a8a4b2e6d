import {
  createEventFd,
  createHostClock,
  createPhysicalMemory,
  createSeededEntropy,
  createTrace,
  createVirtualClock,
} from "@gunyah-ts/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("physical memory", () => {
  const memory = createPhysicalMemory({ dramBase: 0x8000_0000, dramSize: 1 << 20, reservedBytes: 65536 });

  it("lies behind the reserved bytes of one shared memory that does not grow", () => {
    expect(memory.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(memory.bytes.length).toBe((1 << 20) + 65536);
    expect(memory.offsetOf(0x8000_0000)).toBe(65536);
    expect(() => memory.memory.grow(1)).toThrow();
  });

  it("knows its bounds to the byte", () => {
    expect(memory.contains(0x800f_ffff)).toBe(true);
    expect(memory.contains(0x800f_ffff, 2)).toBe(false);
    expect(memory.contains(0x7fff_ffff, 2)).toBe(false);
    expect(() => memory.view(0x800f_ffff, 2)).toThrow("BUG_NOT_DRAM");
  });

  it("reports stores to listeners until they leave", () => {
    const seen: [number, number][] = [];
    const stop = memory.onWrite((pa, size) => seen.push([pa, size]));
    memory.write(0x8000_0010, Uint8Array.of(1, 2));
    memory.fill(0x8000_0020, 4, 9);
    stop();
    memory.fill(0x8000_0020, 4, 0);
    expect(seen).toEqual([
      [0x8000_0010, 2],
      [0x8000_0020, 4],
    ]);
    expect([...memory.view(0x8000_0010, 2)]).toEqual([1, 2]);
  });

  it.each([{ dramSize: 100 }, { dramSize: 0 }, { dramBase: 1 }, { reservedBytes: 5 }, { dramSize: 2 ** 32 }])(
    "refuses the layout %j",
    (wrong) => {
      const options = { dramBase: 0x8000_0000, dramSize: 65536, reservedBytes: 65536, ...wrong };
      expect(() => createPhysicalMemory(options)).toThrow("KERNEL_MEMORY_LAYOUT");
    },
  );
});

describe("the virtual clock", () => {
  it("moves with retired instructions, keeping fractions of a tick", () => {
    const clock = createVirtualClock({ instructionsPerTick: 10 });
    clock.retire(9);
    expect(clock.now()).toBe(0);
    clock.retire(1);
    expect(clock.now()).toBe(1);
  });

  it("jumps to the next deadline when idle, and says so when there is none", () => {
    const clock = createVirtualClock();
    const fired: number[] = [];
    clock.at(500, () => fired.push(clock.now()));
    expect(clock.idle()).toBe(true);
    expect(fired).toEqual([500]);
    expect(clock.idle()).toBe(false);
  });

  it("fires by deadline, then in the order of `at`, whatever is cancelled (any schedule)", () => {
    const step = fc.record({ deadline: fc.integer({ min: 0, max: 20 }), cancelled: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const clock = createVirtualClock({ instructionsPerTick: 1 });
        const fired: number[] = [];
        const timers = steps.map(({ deadline }, index) => clock.at(deadline, () => fired.push(index)));
        steps.forEach(({ cancelled }, index) => void (cancelled && timers[index]?.cancel()));
        clock.retire(20);
        clock.fire();
        const expected = steps
          .map(({ deadline, cancelled }, index) => ({ deadline, cancelled, index }))
          .filter(({ cancelled }) => !cancelled)
          .sort((a, b) => a.deadline - b.deadline || a.index - b.index);
        expect(fired).toEqual(expected.map(({ index }) => index));
        expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
      }),
    );
  });

  it("refuses a frequency that is no positive integer", () => {
    expect(() => createVirtualClock({ frequencyHz: 0 })).toThrow("KERNEL_CLOCK_INVALID");
  });
});

describe("the host clock", () => {
  it("follows the host's time and never goes back", () => {
    let ms = 100;
    const clock = createHostClock({ frequencyHz: 1_000_000, milliseconds: () => ms });
    ms = 102;
    expect(clock.now()).toBe(2000);
    ms = 101;
    expect(clock.now()).toBe(2000);
    let fired = false;
    clock.at(3000, () => {
      fired = true;
    });
    expect(clock.idle()).toBe(false);
    ms = 103;
    expect([clock.idle(), fired]).toEqual([true, true]);
  });
});

describe("seeded entropy", () => {
  it("gives the same bytes for the same seed, and others for another", () => {
    const bytes = (seed: number | string) => {
      const into = new Uint8Array(20);
      createSeededEntropy(seed).fill(into);
      return [...into];
    };
    expect(bytes(1)).toEqual(bytes(1));
    expect(bytes(1)).not.toEqual(bytes(2));
    expect(bytes("a")).not.toEqual(bytes("b"));
    expect(() => createSeededEntropy(1.5)).toThrow("KERNEL_ENTROPY_INVALID");
  });
});

describe("trace", () => {
  it("is enabled while someone listens, and survives a listener that throws", () => {
    const errors: unknown[] = [];
    const trace = createTrace((error) => errors.push(error));
    expect(trace.enabled).toBe(false);
    const stop = trace.listen(() => {
      throw new Error("tool");
    });
    expect(trace.enabled).toBe(true);
    trace.emit({ kind: "vcpu-enter", at: 0, vmid: 1, vcpu: 0 });
    expect(errors).toHaveLength(1);
    stop();
    expect(trace.enabled).toBe(false);
  });
});

describe("an eventfd", () => {
  it("adds, refuses what does not fit, and reads to zero", () => {
    const fd = createEventFd();
    expect(fd.read()).toBeUndefined();
    expect(fd.write(2n ** 64n - 1n)).toBe(-22);
    expect(fd.write(2n ** 64n - 2n)).toBe(0);
    expect(fd.write(1n)).toBe(-11);
    fd.signal();
    fd.signal();
    expect(fd.read()).toBe(2n ** 64n - 1n);
    expect(fd.readable).toBe(false);
  });

  it("reads one at a time as a semaphore", () => {
    const fd = createEventFd(2n, { semaphore: true });
    expect([fd.read(), fd.read(), fd.read()]).toEqual([1n, 1n, undefined]);
  });

  it("wakes a blocked reader, and one that gives up does not take the count", async () => {
    const fd = createEventFd();
    const abort = new AbortController();
    const gone = fd.wait(abort.signal);
    abort.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    const waiting = fd.wait();
    fd.signal();
    expect(await waiting).toBe(1n);
  });
});
