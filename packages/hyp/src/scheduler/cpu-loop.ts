/**
 * The physical CPUs by themselves: vCPUs that the hypervisor schedules run in turns of the event loop, from power-on to
 * power-off. A host that is a program of this process needs none of it: it executes WFI, which runs the others.
 */

import { type Clock, createPostTurn, type PostTurn } from "@gunyah-ts/kernel";

/** The outside world gets a turn after this long, ms. */
const TURN_MS = 4;
/** Instructions between two looks at the time: about 0.2 ms. */
const SLICE = 50_000;
/** Below this an idle loop polls: timers of the event loop are no finer. */
const POLL_BELOW_MS = 1.5;

export interface CpuLoopOptions {
  readonly clock: Clock;
  /** Run vCPUs for about `budget` instructions. @returns false when none is runnable before the clock's next deadline */
  readonly schedule: (budget: number) => boolean;
  /** What `schedule` threw. The loop has ended. */
  readonly onCrash: (error: unknown) => void;
  readonly postTurn?: PostTurn;
}

export class CpuLoop {
  readonly #options: CpuLoopOptions;
  readonly #postTurn: PostTurn;
  #isOn = false;
  #isPosted = false;
  #inTurn = false;
  #external = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CpuLoopOptions) {
    this.#options = options;
    this.#postTurn = options.postTurn ?? createPostTurn();
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  start(): void {
    this.#isOn = true;
    this.poke();
  }

  /** Never run again. */
  stop(): void {
    this.#isOn = false;
    this.#cancelTimer();
  }

  /** Something outside the CPUs happened, an interrupt for example: an idle loop looks again. */
  poke(): void {
    if (!this.#isOn || this.#isPosted || this.#inTurn) return;
    this.#cancelTimer();
    this.#post();
  }

  /** A device waits for something outside the machine: an idle virtual clock does not jump meanwhile. */
  async external<T>(work: Promise<T>): Promise<T> {
    this.#external++;
    try {
      return await work;
    } finally {
      this.#external--;
      this.poke();
    }
  }

  #post(): void {
    this.#isPosted = true;
    this.#postTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isPosted = false;
    this.#inTurn = true;
    let goesOn = false;
    try {
      goesOn = this.#run(performance.now() + TURN_MS);
    } catch (error) {
      this.#isOn = false;
      this.#options.onCrash(error);
    } finally {
      this.#inTurn = false;
    }
    if (!this.#isOn) return;
    if (goesOn) this.#post();
    else this.#waitForOutside();
  };

  /** @returns whether there is more to run now. Where a turn ends decides nothing inside the machine */
  #run(until: number): boolean {
    const { clock, schedule } = this.#options;
    while (this.#isOn) {
      if (!schedule(SLICE) && clock.fire() === 0) {
        if (clock.kind === "virtual" && this.#external > 0) return false;
        if (!clock.idle()) return false;
      }
      if (performance.now() >= until) return true;
    }
    return false;
  }

  #waitForOutside(): void {
    const { clock } = this.#options;
    // A virtual clock that could jump has jumped; what is left is the outside, which pokes.
    const deadline = clock.kind === "host" ? clock.nextDeadline() : Number.POSITIVE_INFINITY;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const ms = ((deadline - clock.now()) * 1000) / clock.frequencyHz;
    if (ms < POLL_BELOW_MS) {
      this.#post();
      return;
    }
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.poke();
      },
      Math.min(ms - 0.5, 0x7fff_ffff),
    );
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
