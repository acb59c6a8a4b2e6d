import { createHostClock } from "@gunyah-ts/kernel";
import { afterEach, expect, it, vi } from "vitest";
import { HostScheduler } from "./scheduler.ts";

afterEach(() => {
  vi.useRealTimers();
});

it("waits for the next deadline while nothing can run, instead of executing WFI again and again", () => {
  vi.useFakeTimers();
  let now = 0;
  const clock = createHostClock({ frequencyHz: 1000, milliseconds: () => now });
  const turns: (() => void)[] = [];
  let wfis = 0;
  const scheduler: HostScheduler = new HostScheduler({
    clock,
    // Like every hypercall, WFI pokes the idle loop when it returns.
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
