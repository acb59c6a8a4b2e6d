import { type AbiProfile, LinuxErrno } from "@gunyah-ts/abi";
import type { Clock, Errno, EventFd, HostFile, HostKernel, Intid, LayerError, Pa, Trace } from "@gunyah-ts/kernel";
import type { HostMemory } from "../mm/host-memory.ts";
import type { Process } from "../process/process.ts";
import { EventFdFile } from "./eventfd-file.ts";
import type { HostHypercalls } from "./hypercalls.ts";
import type { HostScheduler, Sleep } from "./scheduler.ts";
import { createSharedEventFd } from "./shared-eventfd.ts";

/** The host's GIC. */
export interface InterruptLines {
  /** Edge triggered, as every line that RM hands out. @param raise called between acknowledge and end */
  enable(intid: Intid, raise: () => void): void;
  disable(intid: Intid): void;
  /** Acknowledge and end everything that is signalled. */
  dispatch(): void;
}

export interface HostKernelOptions {
  readonly profile: AbiProfile;
  readonly clock: Clock;
  readonly trace: Trace | undefined;
  readonly memory: HostMemory;
  readonly scheduler: HostScheduler;
  readonly hypercalls: HostHypercalls;
  readonly lines: InterruptLines;
  readonly smc: (x: BigUint64Array) => void;
  readonly log: (level: "warn" | "info" | "error", message: string) => void;
}

/**
 * The inside of the host kernel: tasks, interrupts, descriptors of the running process, work put off.
 */
export class HostKernelCore implements HostKernel {
  readonly profile: AbiProfile;
  readonly clock: Clock;
  readonly trace: Trace | undefined;
  readonly memory: HostMemory;
  readonly scheduler: HostScheduler;
  readonly hypercalls: HostHypercalls;
  readonly #lines: InterruptLines;
  readonly #smc: (x: BigUint64Array) => void;
  readonly #log: HostKernelOptions["log"];
  readonly #handlers = new Map<Intid, () => void>();
  readonly #pending: Intid[] = [];
  readonly #deferred: Promise<unknown>[] = [];
  #draining = false;
  #openDevice: ((path: string) => HostFile | undefined) | undefined;
  readonly #processes = new Set<Process>();
  #kernelPages = 0;
  /** The process whose call runs. */
  current: Process | undefined;

  constructor(options: HostKernelOptions) {
    this.profile = options.profile;
    this.clock = options.clock;
    this.trace = options.trace;
    this.memory = options.memory;
    this.scheduler = options.scheduler;
    this.hypercalls = options.hypercalls;
    this.#lines = options.lines;
    this.#smc = options.smc;
    this.#log = options.log;
  }

  get abi(): "v14" | "v15" | "v16" | "v17" {
    return this.profile.name;
  }
  /** Processes that have not exited. */
  get processes(): ReadonlySet<Process> {
    return this.#processes;
  }
  /** Interrupt lines requested, and kernel pages allocated: what a test counts. */
  get requestedIrqs(): number {
    return this.#handlers.size;
  }
  get kernelPages(): number {
    return this.#kernelPages;
  }

  /** The misc device appears. */
  registerDevice(path: string, open: () => HostFile): void {
    this.#openDevice = (wanted) => (wanted === path ? open() : undefined);
  }
  openDevice(path: string): HostFile | undefined {
    return this.#openDevice?.(path);
  }
  started(process: Process): void {
    this.#processes.add(process);
  }
  exited(process: Process): void {
    this.#processes.delete(process);
  }

  createEventFd(initial: bigint, semaphore: boolean): EventFdFile {
    return new EventFdFile(
      createSharedEventFd(initial, { semaphore, handOver: (resume) => this.scheduler.handOver(resume) }),
    );
  }

  eventfd(fd: number): EventFd | Errno {
    const file = this.current?.fileOf(fd)?.file;
    if (file === undefined) return -LinuxErrno.EBADF;
    return file instanceof EventFdFile ? file.event : -LinuxErrno.EINVAL;
  }

  anonFd(_name: string, file: HostFile): number {
    return this.current?.install(file) ?? -LinuxErrno.EMFILE;
  }

  smc(x: BigUint64Array): void {
    this.#smc(x);
    this.afterHypercall();
  }

  allocPage(): { readonly bytes: Uint8Array; readonly address: Pa; free(): void } | Errno {
    const { pages } = this.memory;
    const pa = this.memory.allocZeroed();
    if (pa < 0) return -LinuxErrno.ENOMEM;
    const bytes = this.memory.window(pa, 4096, "rw");
    if (bytes === undefined) {
      pages.free(pa, 1);
      return -LinuxErrno.ENOMEM;
    }
    this.#kernelPages++;
    let live = true;
    return {
      bytes,
      address: pa,
      free: () => {
        if (!live) return;
        live = false;
        this.#kernelPages--;
        pages.free(pa, 1);
      },
    };
  }

  requestIrq(intid: Intid, handler: () => void): (() => void) | Errno {
    if (this.#handlers.has(intid)) return -LinuxErrno.EBUSY;
    this.#handlers.set(intid, handler);
    this.#lines.enable(intid, () => this.#pending.push(intid));
    return () => {
      if (this.#handlers.get(intid) !== handler) return;
      this.#handlers.delete(intid);
      this.#lines.disable(intid);
    };
  }

  /**
   * The vCPU's interrupt entry: acknowledge and end, remember which. The handlers run at `afterHypercall`, when the
   * registers of the interrupted hypercall are read; every line is edge triggered, so nothing is lost by ending early.
   */
  takeInterrupts(): void {
    this.#lines.dispatch();
  }

  /** After every hypercall and WFI: run interrupt handlers, and have the idle loop look again. */
  readonly afterHypercall = (): void => {
    if (this.#pending.length > 0 && !this.#draining) {
      this.#draining = true;
      try {
        for (let intid = this.#pending.shift(); intid !== undefined; intid = this.#pending.shift()) {
          const handler = this.#handlers.get(intid);
          if (handler === undefined) this.log("warn", `unexpected interrupt ${intid}`);
          else handler();
        }
      } finally {
        this.#draining = false;
      }
    }
    this.scheduler.poke();
  };

  get needResched(): boolean {
    return this.scheduler.needResched;
  }
  tick(): void {
    this.scheduler.tick();
  }
  yield(): Promise<void> {
    return this.scheduler.yield();
  }
  sleep(): Sleep {
    return this.scheduler.sleep();
  }
  log(level: "warn" | "info" | "error", message: string): void {
    this.#log(level, message);
  }

  /** Work that a call started and whose end its caller waits for (teardown of a VM in close). */
  defer(work: () => Promise<unknown>): void {
    this.#deferred.push(
      this.scheduler.task(work).catch((error: unknown) => {
        this.log("error", `work put off failed: ${String(error)}`);
      }),
    );
  }
  get hasDeferred(): boolean {
    return this.#deferred.length > 0;
  }
  /** Sleep until the work that was put off since the last `settle` has ended. */
  async settle(): Promise<void> {
    while (this.#deferred.length > 0) {
      const mine = this.#deferred.splice(0);
      const sleep = this.scheduler.sleep();
      // The waiter is awake again before anything else can idle the CPU: allSettled resolves in the same drain.
      Promise.allSettled(mine).then(() => sleep.wake());
      await sleep.done;
    }
  }

  /** The hypervisor's latest error, as a layer of a diagnosis. */
  takeHypervisorError(): readonly LayerError[] {
    const error = this.hypercalls.lastError;
    this.hypercalls.lastError = undefined;
    return error === undefined ? [] : [error];
  }
}
