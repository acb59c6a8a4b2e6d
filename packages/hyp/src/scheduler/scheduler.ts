/**
 * Fixed priority, round robin among equals, on a set of physical CPUs that share one JavaScript thread.
 *
 * A physical CPU is a turn: `schedule` gives each in order a quantum for its best vCPU. A native program, or a
 * hypercall such as vcpu_run, executes others from inside; those nest on the JavaScript stack, and a vCPU that is on
 * the stack already is never entered again, which bounds the depth.
 *
 * Differs: physical CPUs take turns of a quantum of instructions, because they share a thread.
 * Source: gunyah-hypervisor hyp/core/scheduler_fprr
 */

import type { Clock } from "@gunyah-ts/kernel";
import { Block } from "../vcpu/block.ts";
import { ThreadState, type Vcpu } from "../vcpu/vcpu.ts";

export interface SchedulerOptions {
  /** Physical CPUs, 1 or more. */
  readonly cpus: number;
  /** Instructions of one turn, and of one vcpu_run; an exit counts as some thousand. Default 200,000: about 0.2 ms of virtual time. */
  readonly quantum?: number;
}

/** Instructions a nanosecond stands for when the clock is the host's. */
const HOST_INSTRUCTIONS_PER_NS = 0.3;

export class Scheduler {
  readonly cpuCount: number;
  readonly quantum: number;
  readonly clock: Clock;
  /** The vCPU whose code is innermost on the stack. */
  current: Vcpu | undefined;
  /** What executes should come back between two instructions: something else has to be looked at. */
  reschedule = false;
  /** Round-robin order; lower index first among equals. */
  readonly #order: Vcpu[] = [];
  readonly #waitingForEvent = new Set<Vcpu>();
  readonly #instructionsPerNs: number;
  #turn = 0;

  constructor(clock: Clock, options: SchedulerOptions) {
    this.clock = clock;
    this.cpuCount = options.cpus;
    this.quantum = options.quantum ?? 200_000;
    this.#instructionsPerNs =
      clock.kind === "virtual" ? (clock.instructionsPerTick * clock.frequencyHz) / 1e9 : HOST_INSTRUCTIONS_PER_NS;
  }

  add(vcpu: Vcpu): void {
    this.#order.push(vcpu);
  }

  remove(vcpu: Vcpu): void {
    const i = this.#order.indexOf(vcpu);
    if (i >= 0) this.#order.splice(i, 1);
    this.#waitingForEvent.delete(vcpu);
    this.reschedule = true;
  }

  /** A vCPU became runnable: it goes behind its equals, and preempts what is lower. */
  ready(vcpu: Vcpu): void {
    this.#toEnd(vcpu);
    const current = this.current;
    if (current === undefined || vcpu.priority > current.priority) this.reschedule = true;
  }

  requestReschedule(): void {
    this.reschedule = true;
  }

  /** An interrupt is pending for a vCPU that does not wait for one: if it waits in a call, that call ends early. */
  interruptFor(vcpu: Vcpu): void {
    if (vcpu.isExecuting && vcpu !== this.current) this.reschedule = true;
  }

  /** The vCPU gives up the rest of its slice. */
  yield(vcpu: Vcpu): void {
    vcpu.sliceUsed = 0;
    this.#toEnd(vcpu);
    this.reschedule = true;
  }

  /**
   * Execute a vCPU for about `budget` instructions, or let a killed one exit. One that is on the stack around it is off
   * its CPU meanwhile.
   * @param yieldedFrom the vCPU that named it as the one to run now: vcpu_run, a directed yield
   * @returns what was spent of the budget, perhaps more than all of it; 0 for a native program
   */
  execute(vcpu: Vcpu, budget: number, yieldedFrom?: Vcpu): number {
    if (vcpu.threadState === ThreadState.KILLED) {
      vcpu.exit();
      return 0;
    }
    const engine = vcpu.engine;
    if (engine === undefined) return 0;
    const outer = this.current;
    this.current = vcpu;
    vcpu.isExecuting = true;
    vcpu.retain();
    this.reschedule = false;
    const before = engine.spent;
    const { pvTime } = vcpu;
    const outerPvTime = outer?.pvTime;
    const start = pvTime === undefined && outerPvTime === undefined ? 0 : this.clock.now();
    outerPvTime?.switchedOut(start);
    pvTime?.switchedIn(start);
    try {
      engine.run(budget);
    } finally {
      vcpu.isExecuting = false;
      this.current = outer;
    }
    pvTime?.switchedOut(this.clock.now());
    if (outerPvTime !== undefined) {
      const end = this.clock.now();
      if (yieldedFrom === outer) outerPvTime.yielded(end - start);
      outerPvTime.switchedIn(end);
    }
    // Whatever executes around this one must look again at what is runnable.
    this.reschedule = true;
    if (vcpu.isDying && vcpu.isRunnable) vcpu.exit();
    else this.#account(vcpu, engine.spent - before);
    vcpu.release();
    this.#lookAtEvents();
    return engine.spent - before;
  }

  /** A vCPU waits for an event, which another may cause by a store: ask whenever something else has executed. */
  waitForEvent(vcpu: Vcpu): void {
    this.#waitingForEvent.add(vcpu);
  }

  #lookAtEvents(): void {
    for (const vcpu of this.#waitingForEvent) {
      if (vcpu.engine?.isEventPending === true) vcpu.eventCame();
      if ((vcpu.blocks & Block.VCPU_WFE) === 0) this.#waitingForEvent.delete(vcpu);
    }
  }

  /**
   * Execute what is above `vcpu`'s priority: native programs anywhere, PEs on the same physical CPU.
   * @param orEqual also its equals, once each: it waits
   */
  runAbove(vcpu: Vcpu, orEqual = false): void {
    for (;;) {
      const next = this.#best(
        (v) => v.priority > vcpu.priority && (v.affinity === vcpu.affinity || v.engine?.isNative === true),
      );
      if (next === undefined) break;
      this.execute(next, this.quantum);
    }
    if (!orEqual) return;
    for (const v of [...this.#order])
      if (v.priority === vcpu.priority && v.isRunnable && !v.isExecuting) this.execute(v, this.quantum);
  }

  /**
   * One turn: the next physical CPU that has something to run.
   * @returns whether anything ran
   */
  runOne(budget: number): boolean {
    for (let i = 0; i < this.cpuCount; i++) {
      const cpu = (this.#turn + i) % this.cpuCount;
      const vcpu = this.#best((v) => v.affinity === cpu);
      if (vcpu === undefined) continue;
      this.#turn = (cpu + 1) % this.cpuCount;
      this.execute(vcpu, budget);
      return true;
    }
    return false;
  }

  /**
   * Run vCPUs for about `budget` instructions in all.
   * @returns false when nothing is runnable before the clock's next deadline
   */
  schedule(budget: number): boolean {
    let left = budget;
    while (left > 0) {
      this.fireTimers();
      const before = this.#spent;
      if (!this.runOne(Math.min(this.quantum, left))) return false;
      // A native program costs its caller something too, or an endless conversation would never return.
      left -= Math.max(this.#spent - before, 100);
    }
    return true;
  }

  /** Native programs that can run, until none can. For boot. */
  runNative(): void {
    for (;;) {
      const next = this.#best((v) => v.engine?.isNative === true || v.threadState === ThreadState.KILLED);
      if (next === undefined) return;
      this.execute(next, this.quantum);
    }
  }

  /** Run timers that are due. */
  fireTimers(): void {
    if (this.clock.nextDeadline() <= this.clock.now()) this.clock.fire();
  }

  /** Most instructions that may be retired before a timer of the machine is due. Virtual clock only. */
  instructionsToDeadline(): number {
    const clock = this.clock;
    if (clock.kind !== "virtual") return 0x7fff_ffff;
    const ticks = clock.nextDeadline() - clock.now();
    return ticks <= 0 ? 1 : Math.min(ticks * clock.instructionsPerTick, 0x7fff_ffff);
  }

  get vcpus(): readonly Vcpu[] {
    return this.#order;
  }

  #spent = 0;

  #account(vcpu: Vcpu, spent: number): void {
    this.#spent += spent;
    vcpu.sliceUsed += spent;
    if (vcpu.sliceUsed < vcpu.timesliceNs * this.#instructionsPerNs) return;
    vcpu.sliceUsed = 0;
    this.#toEnd(vcpu);
  }

  #best(accepts: (vcpu: Vcpu) => boolean): Vcpu | undefined {
    let best: Vcpu | undefined;
    for (const vcpu of this.#order) {
      if (!vcpu.isRunnable || vcpu.isExecuting || !accepts(vcpu)) continue;
      if (best === undefined || vcpu.priority > best.priority) best = vcpu;
    }
    return best;
  }

  #toEnd(vcpu: Vcpu): void {
    const i = this.#order.indexOf(vcpu);
    if (i < 0 || i === this.#order.length - 1) return;
    this.#order.splice(i, 1);
    this.#order.push(vcpu);
  }
}
