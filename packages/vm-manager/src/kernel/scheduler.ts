import { type Clock, createPostTurn, type PostTurn } from "@gunyah-ts/kernel";

/** Checks of `needResched` that one task may make while others wait. */
const QUANTUM_CHECKS = 64;
/** The outside world gets a turn after this long, ms. */
const TURN_PERIOD_MS = 4;
/** Below this the idle loop polls: timers of the event loop are no finer. */
const POLL_BELOW_MS = 1.5;

export interface HostSchedulerOptions {
  readonly clock: Clock;
  /** WFI of the host's vCPU. */
  readonly wfi: () => boolean;
  readonly postTurn?: PostTurn;
  /** Wall time, for turns of the outside world alone. Default performance.now. */
  readonly milliseconds?: () => number;
}

/** A sleeping task's end of the bed. */
export interface Sleep {
  readonly done: Promise<void>;
  wake(): void;
}

/**
 * Tasks of the host kernel on its one CPU, and the run queue: the one place where a wake-up becomes execution.
 *
 * A task is a system call (or a piece of work of the kernel) in progress: an async function. It runs until it sleeps,
 * yields or ends, and nothing else runs meanwhile. Whoever is woken, be it a task that slept or yielded or code of a
 * process that waits for an eventfd, is put into the run queue; whoever is first in it is resumed at the start of a turn
 * of the event loop of its own. So between any two of them timers, input and signals of the process get their chance,
 * and the order of the machine's work is that of the queue, whatever the event loop does besides.
 *
 * Under a virtual clock that order depends on the machine alone: a task gives up the CPU at counted points (64 checks, a
 * time slice's end, a hand-over to a process) while others wait. Wall time only lets the outside world have a turn; the
 * task that granted it keeps its place at the head of the queue. Under the host's clock it goes to the end.
 *
 * While no task is awake and none waits for the outside, the CPU executes WFI: the hypervisor runs others or lets the
 * clock go idle, and an interrupt wakes a task. That happens in a turn too, so that code of the VMM that follows a
 * finished call has run before.
 */
export class HostScheduler {
  readonly #clock: Clock;
  readonly #wfi: () => boolean;
  readonly #postTurn: PostTurn;
  readonly #milliseconds: () => number;
  /** The run queue. */
  readonly #ready: (() => void)[] = [];
  /** Tasks among `#ready`. */
  #readyTasks = 0;
  #awake = 0;
  #external = 0;
  #checks = 0;
  #resched = false;
  /** The latest check of `needResched` asked for no more than a turn of the outside world. */
  #turnOnly = false;
  #lastTurn: number;
  #turnPosted = false;
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
    this.#milliseconds = options.milliseconds ?? (() => performance.now());
    this.#lastTurn = this.#milliseconds();
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
    this.#awake--;
    this.poke();
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
        this.#readyTasks++;
        this.#ready.push(this.#taskResume(resolve));
        this.poke();
      },
    };
  }

  /**
   * The wait of code outside the kernel is over: `resume` runs in a turn of its own, and a task that runs now gives up the
   * CPU for it at its next check.
   */
  handOver(resume: () => void): void {
    this.#resched = true;
    this.#ready.push(resume);
    this.poke();
  }

  /** See HostKernel. A check counts. */
  get needResched(): boolean {
    if (this.#resched) return true;
    // A task that is awake, not in the queue and not the one that asks, waits for code of this turn to end.
    if (this.#awake > 1 && (++this.#checks >= QUANTUM_CHECKS || this.#awake - this.#readyTasks > 1)) {
      this.#resched = true;
      return true;
    }
    this.#turnOnly = this.#isTurnDue;
    return this.#turnOnly;
  }

  tick(): void {
    if (this.#awake > 1) this.#resched = true;
  }

  yield(): Promise<void> {
    const keepsPlace = this.#turnOnly && !this.#resched && this.#clock.kind === "virtual";
    this.#turnOnly = false;
    this.#readyTasks++;
    return new Promise((resolve) => {
      const resume = this.#taskResume(resolve);
      if (keepsPlace) this.#ready.unshift(resume);
      else {
        this.#resched = false;
        this.#checks = 0;
        this.#ready.push(resume);
      }
      this.poke();
    });
  }

  /** Something happened: there may be someone to resume, or the CPU has to look again whether it can idle. */
  poke(): void {
    if (this.#turnPosted || this.#idling) return;
    if (this.#ready.length === 0 && (this.#awake > 0 || this.#stopped)) return;
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#turnPosted = true;
    this.#postTurn(this.#turn);
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

  /** The CPU is gone: never WFI again. Who is ready still learns what became of its wait. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #taskResume(resolve: () => void): () => void {
    return () => {
      this.#readyTasks--;
      resolve();
    };
  }

  get #isTurnDue(): boolean {
    return this.#milliseconds() - this.#lastTurn > TURN_PERIOD_MS;
  }

  readonly #turn = (): void => {
    this.#turnPosted = false;
    this.#lastTurn = this.#milliseconds();
    if (this.#ready.length === 0 && !this.#idle()) return;
    this.#ready.shift()?.();
    this.poke();
  };

  /**
   * WFI until someone is ready, or the outside world wants a turn.
   * @returns false when nothing will happen before someone calls `poke`
   */
  #idle(): boolean {
    const virtual = this.#clock.kind === "virtual";
    do {
      if (this.#awake > 0 || this.#stopped || (virtual && this.#external > 0)) return false;
      this.#resched = false;
      this.#idling = true;
      let interrupted: boolean;
      try {
        interrupted = this.#wfi();
      } finally {
        this.#idling = false;
      }
      if (this.#ready.length > 0) return true;
      if (!interrupted) {
        if (this.#awake === 0) this.#waitForOutside();
        return false;
      }
    } while (!this.#isTurnDue);
    return true;
  }

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
