import { type Clock, createPostTurn, type PostTurn } from "@gunyah-ts/kernel";

/** Checks of `needResched` that one task may make while others wait. */
const QUANTUM_CHECKS = 64;
/** The outside world gets a turn after this long, ms. */
const TURN_PERIOD_MS = 5;
/** WFIs in a row that woke no task before the outside world gets a turn. */
const IDLE_BATCH = 256;
/** Below this the idle loop polls: timers of the event loop are no finer. */
const POLL_BELOW_MS = 1.5;

export interface HostSchedulerOptions {
  readonly clock: Clock;
  /** WFI of the host's vCPU. */
  readonly wfi: () => boolean;
  readonly postTurn?: PostTurn;
}

/** A sleeping task's end of the bed. */
export interface Sleep {
  readonly done: Promise<void>;
  wake(): void;
}

/**
 * Tasks of the host kernel on its one CPU.
 *
 * A task is a system call (or a piece of work of the kernel) in progress: an async function. It runs until it sleeps,
 * yields or ends, and nothing else runs meanwhile. The order is that of the event loop's queue, which is first come
 * first served, so under a virtual clock it depends on the machine alone: a task gives up the CPU at counted points
 * (64 checks, or a time slice's end) while others wait. Wall time decides only when no other task could run, and then
 * merely lets the outside world have its turn.
 *
 * While no task is awake and none waits for the outside, the CPU executes WFI: the hypervisor runs others or lets the
 * clock go idle, and an interrupt wakes a task. That happens in a turn of the event loop of its own, so that code of
 * the VMM that follows a finished call has run before.
 */
export class HostScheduler {
  readonly #clock: Clock;
  readonly #wfi: () => boolean;
  readonly #postTurn: PostTurn;
  #awake = 0;
  #external = 0;
  #checks = 0;
  #resched = false;
  #lastTurn = performance.now();
  #idlePosted = false;
  /** The idle loop is on the stack: it looks again by itself. */
  #idling = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  /** Called when the machine can do nothing more by itself while tasks sleep. */
  onStall: (() => void) | undefined;

  constructor(options: HostSchedulerOptions) {
    this.#clock = options.clock;
    this.#wfi = options.wfi;
    this.#postTurn = options.postTurn ?? createPostTurn();
  }

  /** Tasks that are not asleep. */
  get awake(): number {
    return this.#awake;
  }

  /** A task begins. */
  enter(): void {
    this.#awake++;
  }

  /** A task ends. */
  leave(): void {
    if (--this.#awake === 0) this.poke();
  }

  /** Run `body` as a task. */
  async task<T>(body: () => Promise<T>): Promise<T> {
    this.enter();
    try {
      return await body();
    } finally {
      this.leave();
    }
  }

  /** The calling task sleeps from now until `wake`. */
  sleep(): Sleep {
    let resolve!: () => void;
    const done = new Promise<void>((r) => {
      resolve = r;
    });
    let asleep = true;
    this.leave();
    return {
      done,
      wake: () => {
        if (!asleep) return;
        asleep = false;
        this.#awake++;
        resolve();
      },
    };
  }

  get needResched(): boolean {
    if (this.#resched) return true;
    if (this.#awake > 1) return ++this.#checks >= QUANTUM_CHECKS;
    return performance.now() - this.#lastTurn > TURN_PERIOD_MS;
  }

  tick(): void {
    if (this.#awake > 1) this.#resched = true;
  }

  /** Code outside the kernel was woken (a waiter of an eventfd): it gets its turn at the next check. */
  woke(): void {
    this.#resched = true;
  }

  yield(): Promise<void> {
    this.#resched = false;
    this.#checks = 0;
    return new Promise((resolve) => {
      this.#postTurn(() => {
        this.#lastTurn = performance.now();
        resolve();
      });
    });
  }

  /** The idle loop must look again: something happened, or a hypercall was made outside every task. */
  poke(): void {
    if (this.#awake > 0 || this.#idlePosted || this.#idling || this.#stopped) return;
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#idlePosted = true;
    this.#postTurn(this.#idle);
  }

  /** A task, or code of a process, waits for something outside the machine. */
  async external<T>(work: Promise<T>): Promise<T> {
    this.#external++;
    try {
      return await work;
    } finally {
      this.#external--;
      this.poke();
    }
  }

  /** The CPU is gone: never WFI again. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #idle = (): void => {
    this.#idlePosted = false;
    this.#lastTurn = performance.now();
    const virtual = this.#clock.kind === "virtual";
    for (let i = 0; i < IDLE_BATCH; i++) {
      if (this.#awake > 0 || this.#stopped || (virtual && this.#external > 0)) return;
      this.#resched = false;
      this.#idling = true;
      let interrupted: boolean;
      try {
        interrupted = this.#wfi();
      } finally {
        this.#idling = false;
      }
      if (!interrupted) {
        if (this.#awake === 0) this.#waitForOutside();
        return;
      }
      if (this.#resched) break;
    }
    this.poke();
  };

  #waitForOutside(): void {
    const deadline = this.#clock.kind === "host" ? this.#clock.nextDeadline() : Number.POSITIVE_INFINITY;
    if (deadline === Number.POSITIVE_INFINITY) {
      this.onStall?.();
      return;
    }
    const ms = ((deadline - this.#clock.now()) * 1000) / this.#clock.frequencyHz;
    if (ms < POLL_BELOW_MS) {
      this.poke();
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
}
