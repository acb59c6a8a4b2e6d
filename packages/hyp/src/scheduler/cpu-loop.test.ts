import { createVirtualClock } from "@gunyah-ts/kernel";
import { fakeClock } from "@gunyah-ts/kernel/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CpuLoop } from "./cpu-loop.ts";

afterEach(() => void vi.useRealTimers());

/** A loop whose turns a test takes one by one. */
function loop(schedule: (budget: number) => boolean, clock: ReturnType<typeof createVirtualClock> = fakeClock()) {
  const turns: (() => void)[] = [];
  const crashes: unknown[] = [];
  const cpus = new CpuLoop({
    clock,
    schedule,
    onCrash: (error) => crashes.push(error),
    postTurn: (turn) => void turns.push(turn),
  });
  return { cpus, turns, crashes, take: () => turns.shift()?.() };
}

describe("the physical CPUs", () => {
  it("run nothing before they are started, and nothing inside start", () => {
    const schedule = vi.fn(() => false);
    const { cpus, turns, take } = loop(schedule);
    cpus.poke();
    expect(turns).toHaveLength(0);
    cpus.start();
    expect(schedule).not.toHaveBeenCalled();
    take();
    expect(schedule).toHaveBeenCalledTimes(1);
  });

  it("give the event loop its turn while vCPUs never stop being runnable", () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const schedule = vi.fn(() => {
      now += 1;
      return true;
    });
    const { cpus, turns, take } = loop(schedule);
    cpus.start();
    take();
    expect(schedule).toHaveBeenCalledTimes(4);
    expect(turns).toHaveLength(1);
    vi.restoreAllMocks();
  });

  it("let an idle virtual clock jump to its deadlines in one turn, and then wait for the outside", () => {
    const clock = createVirtualClock();
    const fired: number[] = [];
    clock.at(100, () => fired.push(clock.now()));
    clock.at(2_000_000, () => fired.push(clock.now()));
    const { cpus, turns, take } = loop(() => false, clock);
    cpus.start();
    take();
    expect(fired).toEqual([100, 2_000_000]);
    expect(turns).toHaveLength(0);
    cpus.poke();
    expect(turns).toHaveLength(1);
  });

  it("do not let a virtual clock jump while a device waits for the outside, and go on when it is done", async () => {
    const clock = createVirtualClock();
    const fired: number[] = [];
    clock.at(100, () => fired.push(clock.now()));
    const { cpus, turns, take } = loop(() => false, clock);
    cpus.start();
    let done!: () => void;
    const work = cpus.external(new Promise<void>((resolve) => (done = resolve)));
    take();
    expect(fired).toEqual([]);
    done();
    await work;
    expect(turns).toHaveLength(1);
    take();
    expect(fired).toEqual([100]);
  });

  it("sleep until the deadline of a host clock, and a poke wakes them before it", () => {
    vi.useFakeTimers();
    let ms = 0;
    const clock = {
      ...fakeClock(),
      kind: "host" as const,
      frequencyHz: 1000,
      now: () => ms,
      nextDeadline: () => 50,
      fire: () => 0,
      idle: () => false,
    };
    const { cpus, turns, take } = loop(() => false, clock as never);
    cpus.start();
    take();
    ms = 48;
    vi.advanceTimersByTime(48);
    expect(turns).toHaveLength(0);
    vi.advanceTimersByTime(2);
    expect(turns).toHaveLength(1);
    ms = 0;
    take();
    cpus.poke();
    expect(turns).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stop for good: a turn that was posted runs nothing", () => {
    const schedule = vi.fn(() => true);
    const { cpus, turns, take } = loop(schedule);
    cpus.start();
    cpus.stop();
    take();
    cpus.poke();
    expect(schedule).not.toHaveBeenCalled();
    expect(turns).toHaveLength(0);
  });

  it("stop in the middle of a turn when what runs turns the board off", () => {
    const { cpus, turns, take } = loop(() => {
      cpus.stop();
      return true;
    });
    cpus.start();
    take();
    expect(turns).toHaveLength(0);
  });

  it("end with what was thrown, once", () => {
    const error = new Error("a table is broken");
    const { cpus, turns, crashes, take } = loop(() => {
      throw error;
    });
    cpus.start();
    take();
    cpus.poke();
    expect(crashes).toEqual([error]);
    expect(turns).toHaveLength(0);
    expect(cpus.isOn).toBe(false);
  });
});
