import { createHostClock, createVirtualClock } from "@gunyah-ts/kernel";
import { afterEach, describe, expect, it, vi } from "vitest";
import { HostScheduler } from "./scheduler.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** A scheduler whose turns the test gives, with a wall clock that the test moves. */
function setUp(kind: "virtual" | "host" = "virtual", wfi: () => boolean = () => false) {
  const turns: (() => void)[] = [];
  const wall = { ms: 0 };
  const wfis = { count: 0 };
  const scheduler: HostScheduler = new HostScheduler({
    clock: kind === "virtual" ? createVirtualClock() : createHostClock({ frequencyHz: 1000, milliseconds: () => 0 }),
    wfi: () => {
      wfis.count++;
      // Like every hypercall, WFI pokes the idle loop when it returns.
      scheduler.poke();
      return wfi();
    },
    postTurn: (turn) => turns.push(turn),
    milliseconds: () => wall.ms,
  });
  const log: string[] = [];
  /** One turn of the event loop, and the microtasks after it. */
  const turn = async (): Promise<void> => {
    turns.shift()?.();
    for (let i = 0; i < 10; i++) await undefined;
  };
  /** A task that yields whenever it should, or always, after each of its steps. */
  const spinner = (name: string, steps: number, always = false): Promise<void> =>
    scheduler.task(async () => {
      for (let step = 0; step < steps; step++) {
        log.push(`${name}${step}`);
        if (always || scheduler.needResched) await scheduler.yield();
      }
    });
  return { scheduler, turns, wall, wfis, log, turn, spinner };
}

describe("the run queue", () => {
  it("resumes one after the other, first come first served, each in a turn of its own", async () => {
    const { spinner, log, turn, turns } = setUp();
    void spinner("a", 3, true);
    void spinner("b", 3, true);
    expect(log).toEqual(["a0", "b0"]);
    expect(turns).toHaveLength(1);
    for (const seen of ["a1", "b1", "a2", "b2"]) {
      await turn();
      expect(log.at(-1)).toBe(seen);
      expect(turns).toHaveLength(1);
    }
  });

  it("resumes whoever was woken not before the turn that is its own, and once", async () => {
    const { scheduler, log, turn } = setUp();
    const beds = ["first", "second"].map((name) => {
      const bed: { sleep?: ReturnType<HostScheduler["sleep"]> } = {};
      void scheduler.task(async () => {
        bed.sleep = scheduler.sleep();
        await bed.sleep.done;
        log.push(name);
      });
      return bed;
    });
    await turn();
    for (const { sleep } of [...beds, ...beds]) sleep?.wake();
    for (let i = 0; i < 10; i++) await undefined;
    expect([log, scheduler.awake]).toEqual([[], 2]);
    await turn();
    expect(log).toEqual(["first"]);
    await turn();
    await turn();
    expect([log, scheduler.awake]).toEqual([["first", "second"], 0]);
  });

  it("has a process's turn come before that of the task that woke it, which gives up the CPU at its next check", async () => {
    const { scheduler, spinner, log, turn } = setUp();
    const task = scheduler.task(async () => {
      scheduler.handOver(() => log.push("process"));
      log.push("goes on");
      expect(scheduler.needResched).toBe(true);
      await scheduler.yield();
      log.push("task");
    });
    await turn();
    expect(log).toEqual(["goes on", "process"]);
    await turn();
    await task;
    expect(log).toEqual(["goes on", "process", "task"]);
    await spinner("alone", 2);
    expect(log).toHaveLength(5);
  });

  it("lets who is ready learn of it after the CPU is gone, and executes WFI no more", async () => {
    const { scheduler, log, turn, turns, wfis } = setUp();
    const sleeper = scheduler.task(async () => {
      const sleep = scheduler.sleep();
      scheduler.stop();
      sleep.wake();
      await sleep.done;
      log.push("woken");
    });
    await turn();
    await sleeper;
    scheduler.poke();
    expect([log, turns.length, wfis.count]).toEqual([["woken"], 0, 0]);
  });
});

describe("need_resched", () => {
  it("asks a task to give up the CPU at its 64th check while another waits, and never one that is alone", async () => {
    const { scheduler, spinner, turn } = setUp();
    const counts: number[] = [];
    await spinner("alone", 500);
    const count = () =>
      scheduler.task(async () => {
        for (let round = 0; round < 3; round++) {
          let checks = 1;
          while (!scheduler.needResched) checks++;
          counts.push(checks);
          await scheduler.yield();
        }
      });
    void scheduler.task(async () => {
      for (let i = 0; i < 9; i++) await scheduler.yield();
    });
    void count();
    for (let i = 0; i < 12; i++) await turn();
    expect(counts).toEqual([64, 64, 64]);
  });

  it("ends a time slice only where someone waits for the CPU", async () => {
    const { scheduler } = setUp();
    scheduler.enter();
    scheduler.tick();
    expect(scheduler.needResched).toBe(false);
    void scheduler.task(() => scheduler.yield());
    scheduler.tick();
    expect(scheduler.needResched).toBe(true);
  });

  it("lets a task that waits for code of this very turn go on at once", async () => {
    const { scheduler, spinner, log, turn } = setUp();
    void spinner("before", 3, true);
    for (let i = 0; i < 3; i++) await turn();
    log.length = 0;
    void scheduler.task(async () => {
      await undefined;
      log.push("other");
    });
    const task = scheduler.task(async () => {
      expect(scheduler.needResched).toBe(true);
      await scheduler.yield();
    });
    for (let i = 0; i < 10; i++) await undefined;
    expect(log).toEqual(["other"]);
    void task;
  });

  it.each([
    ["virtual", ["a1", "a2", "b1"]],
    ["host", ["a1", "b1", "a2"]],
  ] as const)(
    "gives the outside world a turn every few milliseconds; under a %s clock the order is %j",
    async (kind, order) => {
      const { scheduler, log, wall, turn } = setUp(kind);
      const task = (name: string, steps: number) =>
        scheduler.task(async () => {
          await scheduler.yield();
          for (let step = 1; step <= steps; step++) {
            log.push(`${name}${step}`);
            expect(scheduler.needResched).toBe(false);
            wall.ms += 5;
            if (scheduler.needResched) await scheduler.yield();
          }
        });
      void task("a", 2);
      void task("b", 1);
      for (let i = 0; i < 6; i++) await turn();
      expect(log).toEqual(order);
    },
  );

  it("has a task that yields of its own will go behind the others, whatever it asked before", async () => {
    const { scheduler, log, wall, turn } = setUp();
    void scheduler.task(async () => {
      await scheduler.yield();
      log.push("other");
    });
    void scheduler.task(async () => {
      wall.ms += 5;
      expect(scheduler.needResched).toBe(true);
      await scheduler.yield();
      await scheduler.yield();
      log.push("last");
    });
    for (let i = 0; i < 4; i++) await turn();
    expect(log).toEqual(["other", "last"]);
  });

  it("forgets the place in the queue of a task for which a process was woken meanwhile", async () => {
    const { scheduler, log, wall, turn } = setUp();
    void scheduler.task(async () => {
      wall.ms += 5;
      expect(scheduler.needResched).toBe(true);
      scheduler.handOver(() => log.push("process"));
      await scheduler.yield();
      log.push("task");
    });
    for (let i = 0; i < 2; i++) await turn();
    expect(log).toEqual(["process", "task"]);
  });

  it("is no longer true for a hand-over of which the idle CPU knows", async () => {
    const { scheduler, turn } = setUp();
    scheduler.handOver(() => {});
    for (let i = 0; i < 2; i++) await turn();
    expect(scheduler.needResched).toBe(false);
  });
});

describe("the idle CPU", () => {
  it("executes WFI again while interrupts come, until the outside world is due for a turn", async () => {
    const { scheduler, wall, wfis, turn, turns } = setUp("virtual", () => {
      wall.ms += 1;
      return true;
    });
    scheduler.poke();
    await turn();
    expect(wfis.count).toBe(5);
    expect(turns).toHaveLength(1);
    scheduler.stop();
  });

  it("resumes whom an interrupt woke in the same turn", async () => {
    let wake: (() => void) | undefined;
    const { scheduler, log, turn } = setUp("virtual", () => {
      wake?.();
      return wake !== undefined;
    });
    void scheduler.task(async () => {
      const sleep = scheduler.sleep();
      wake = sleep.wake;
      await sleep.done;
      wake = undefined;
      log.push("woken");
    });
    await turn();
    expect(log).toEqual(["woken"]);
  });

  it("does not idle while someone waits for the outside world under a virtual clock", async () => {
    const { scheduler, wfis, turn } = setUp();
    let arrive: (() => void) | undefined;
    const waiting = scheduler.external(
      new Promise<void>((resolve) => {
        arrive = resolve;
      }),
    );
    scheduler.poke();
    await turn();
    expect(wfis.count).toBe(0);
    arrive?.();
    await waiting;
    await turn();
    expect(wfis.count).toBe(1);
  });

  it("is gone after stop, in a turn that was due before", async () => {
    const { scheduler, wfis, turn } = setUp();
    scheduler.poke();
    scheduler.stop();
    await turn();
    expect(wfis.count).toBe(0);
  });

  it("says when nothing can happen any more", async () => {
    const { scheduler, turn, turns } = setUp();
    let stalls = 0;
    scheduler.onStall = () => stalls++;
    scheduler.poke();
    await turn();
    expect([stalls, turns.length]).toEqual([1, 0]);
  });

  it("waits for the next deadline while nothing can run, instead of executing WFI again and again", () => {
    vi.useFakeTimers();
    let now = 0;
    const clock = createHostClock({ frequencyHz: 1000, milliseconds: () => now });
    const turns: (() => void)[] = [];
    let wfis = 0;
    const scheduler: HostScheduler = new HostScheduler({
      clock,
      wfi: () => {
        wfis++;
        scheduler.poke();
        return clock.idle();
      },
      postTurn: (turn) => turns.push(turn),
    });
    clock.at(1000, () => {});
    scheduler.poke();
    for (let count = 0; count < 10; count++) turns.shift()?.();
    expect(wfis).toBe(1);

    now = 1000;
    vi.advanceTimersByTime(1000);
    expect(turns).toHaveLength(1);
    turns.shift()?.();
    expect(wfis).toBeGreaterThan(1);
    scheduler.stop();
  });
});
