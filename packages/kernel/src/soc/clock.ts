/**
 * The two clocks of a machine: virtual time that only instructions and idling move, and the host's own.
 * Source: DDI 0487, D12 The Generic Timer in AArch64 state.
 */
import type { Clock, ClockTimer } from "../contracts/clock.ts";
import { ModelError } from "../errors.ts";
import { TimerQueue } from "./timer-queue.ts";

/** 19.2 MHz, the system counter of Qualcomm SoCs. */
export const DEFAULT_TIMER_FREQUENCY_HZ = 19_200_000;

export interface VirtualClockOptions {
  /** CNTFRQ_EL0, ticks a second. */
  readonly frequencyHz?: number;
  /** Retired instructions that make one tick. At 19.2 MHz the default of 50 stands for about 1 GIPS. */
  readonly instructionsPerTick?: number;
}

export interface HostClockOptions {
  readonly frequencyHz?: number;
  /** Milliseconds, monotonic. Default: performance.now. */
  readonly milliseconds?: () => number;
}

/** Time is retired instructions plus idle jumps. Errors: KERNEL_CLOCK_INVALID */
export function createVirtualClock(options: VirtualClockOptions = {}): Clock {
  return new VirtualClock(options);
}

/** Time is the host's monotonic clock, from zero when the clock is made. Errors: KERNEL_CLOCK_INVALID */
export function createHostClock(options: HostClockOptions = {}): Clock {
  return new HostClock(options);
}

class VirtualClock implements Clock {
  readonly kind = "virtual";
  readonly frequencyHz: number;
  readonly instructionsPerTick: number;
  readonly #timers = new TimerQueue();
  #ticks = 0;
  /** Instructions that do not make a whole tick yet. */
  #rest = 0;

  constructor({ frequencyHz = DEFAULT_TIMER_FREQUENCY_HZ, instructionsPerTick = 50 }: VirtualClockOptions) {
    this.frequencyHz = positive("frequencyHz", frequencyHz);
    this.instructionsPerTick = positive("instructionsPerTick", instructionsPerTick);
  }

  now(): number {
    return this.#ticks;
  }

  retire(instructions: number): void {
    const sum = this.#rest + instructions;
    const ticks = Math.floor(sum / this.instructionsPerTick);
    this.#ticks += ticks;
    this.#rest = sum - ticks * this.instructionsPerTick;
  }

  at(deadline: number, expire: () => void): ClockTimer {
    return this.#timers.add(deadline, expire);
  }

  nextDeadline(): number {
    return this.#timers.next();
  }

  fire(): number {
    return this.#timers.fire(this.#ticks);
  }

  idle(): boolean {
    const deadline = this.#timers.next();
    if (deadline === Number.POSITIVE_INFINITY) return false;
    if (deadline > this.#ticks) {
      this.#ticks = Math.ceil(deadline);
      this.#rest = 0;
    }
    return this.#timers.fire(this.#ticks) > 0;
  }
}

class HostClock implements Clock {
  readonly kind = "host";
  readonly frequencyHz: number;
  readonly instructionsPerTick = 0;
  readonly #timers = new TimerQueue();
  readonly #milliseconds: () => number;
  readonly #start: number;
  readonly #ticksPerMillisecond: number;
  #last = 0;

  constructor({ frequencyHz = DEFAULT_TIMER_FREQUENCY_HZ, milliseconds = monotonic }: HostClockOptions) {
    this.frequencyHz = positive("frequencyHz", frequencyHz);
    this.#milliseconds = milliseconds;
    this.#ticksPerMillisecond = frequencyHz / 1000;
    this.#start = milliseconds();
  }

  now(): number {
    const ticks = Math.floor((this.#milliseconds() - this.#start) * this.#ticksPerMillisecond);
    if (ticks > this.#last) this.#last = ticks;
    return this.#last;
  }

  retire(): void {}

  at(deadline: number, expire: () => void): ClockTimer {
    return this.#timers.add(deadline, expire);
  }

  nextDeadline(): number {
    return this.#timers.next();
  }

  fire(): number {
    return this.#timers.fire(this.now());
  }

  idle(): boolean {
    return this.fire() > 0;
  }
}

function monotonic(): number {
  return performance.now();
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ModelError("KERNEL_CLOCK_INVALID", `${name} is ${value}; it must be a positive integer`, { path: name });
}
