/** Layers that do nothing but what a test says: to compose a machine without them, or to test one layer alone. */
import type { Intid, Pa } from "../contracts/address.ts";
import type { EventFd } from "../contracts/eventfd.ts";
import type { LayerError } from "../contracts/host.ts";
import type { Hypervisor, HypervisorInspect } from "../contracts/hypervisor.ts";
import type { NativeProgram, NativeVcpu } from "../contracts/native-vcpu.ts";
import type { ResourceManager } from "../contracts/resource-manager.ts";
import type { HostProcess, VmManager } from "../contracts/vm-manager.ts";
import { bug } from "../errors.ts";
import { createEventFd } from "../soc/eventfd.ts";

const ENOENT = -2;
const EBADF = -9;
const ENOTTY = -25;
const PAGE = 4096;

/** A program that remembers what happened to it. */
export interface FakeProgram extends NativeProgram {
  readonly starts: { readonly vcpu: NativeVcpu; readonly context: bigint }[];
  interrupts: number;
  stops: number;
}

/** @param body run when the program starts */
export function fakeProgram(name: string, body?: (vcpu: NativeVcpu, context: bigint) => void): FakeProgram {
  const program: FakeProgram = {
    name,
    starts: [],
    interrupts: 0,
    stops: 0,
    start(vcpu, context) {
      program.starts.push({ vcpu, context });
      body?.(vcpu, context);
    },
    interrupt(vcpu) {
      program.interrupts++;
      vcpu.endOfInterrupt(vcpu.acknowledge());
    },
    stopped: () => void program.stops++,
  };
  return program;
}

export interface FakeHypervisor extends Hypervisor {
  /** Programs by entry. */
  readonly installed: ReadonlyMap<Pa, NativeProgram>;
  boots: number;
  halts: number;
  /** Level of each line that was driven. */
  readonly spis: Map<Intid, boolean>;
  /** Budgets that `schedule` was given. */
  readonly scheduled: number[];
}

/**
 * No VM, no memory, nothing to schedule.
 *
 * @param onBoot what firmware's `boot` does: for example power a program of `installed` on
 */
export function fakeHypervisor(onBoot?: (hypervisor: FakeHypervisor) => void): FakeHypervisor {
  const installed = new Map<Pa, NativeProgram>();
  const inspect: HypervisorInspect = {
    checkOwnership: () => undefined,
    vms: () => [],
    page: () => ({ owner: "partition", mappings: [] }),
    usage: () => ({ carveOutBytes: 0, objects: {} }),
    accessiblePages: () => 0,
  };
  const hypervisor: FakeHypervisor = {
    installed,
    boots: 0,
    halts: 0,
    spis: new Map(),
    scheduled: [],
    programs: {
      install(entry, program) {
        if (installed.has(entry)) bug("BUG_FAKE_ENTRY_TAKEN", "two programs at one entry", { entry });
        installed.set(entry, program);
        return () => installed.delete(entry);
      },
    },
    boot() {
      hypervisor.boots++;
      onBoot?.(hypervisor);
    },
    schedule(budget) {
      hypervisor.scheduled.push(budget);
      return false;
    },
    halt: () => void hypervisor.halts++,
    setSpi: (intid, high) => void hypervisor.spis.set(intid, high),
    memoryOf: () => ({
      window: () => undefined,
      wrote: () => {},
      read: () => false,
      write: () => false,
      dispose: () => {},
    }),
    external: (work) => work,
    inspect,
  };
  return hypervisor;
}

export function fakeResourceManager(body?: (vcpu: NativeVcpu) => void): ResourceManager & { program: FakeProgram } {
  return { program: fakeProgram("fake resource manager", body) };
}

export interface FakeVmManager extends VmManager {
  readonly program: FakeProgram;
  readonly processes: readonly HostProcess[];
  /** Every ioctl, oldest first. */
  readonly ioctls: { readonly fd: number; readonly request: number; readonly arg: bigint }[];
}

export interface FakeVmManagerOptions {
  /** Answers an ioctl: a result, or a negative errno. `process` gives the memory that `arg` points to. Default: -ENOTTY. */
  readonly ioctl?: (request: number, arg: bigint, process: HostProcess, fd: number) => number | Promise<number>;
  /** What `diagnose` says of a failed call. */
  readonly layers?: readonly LayerError[];
}

/** `/dev/gunyah` whose answers a test gives, and real process memory, descriptors and eventfds around it. */
export function fakeVmManager(options: FakeVmManagerOptions = {}): FakeVmManager {
  const processes: HostProcess[] = [];
  const ioctls: { fd: number; request: number; arg: bigint }[] = [];
  return {
    program: fakeProgram("fake host"),
    ready: Promise.resolve(),
    processes,
    ioctls,
    createProcess() {
      const process = new FakeProcess(options, ioctls);
      processes.push(process);
      return process;
    },
  };
}

class FakeProcess implements HostProcess {
  readonly #options: FakeVmManagerOptions;
  readonly #ioctls: FakeVmManager["ioctls"];
  readonly #files = new Map<number, EventFd | "file">();
  readonly #memory = new Map<bigint, Uint8Array>();
  readonly #failed = new Set<number>();
  #nextFd = 3;
  #nextAddress = 0x1_0000n;

  constructor(options: FakeVmManagerOptions, ioctls: FakeVmManager["ioctls"]) {
    this.#options = options;
    this.#ioctls = ioctls;
  }

  open(path: string): number {
    return path === "/dev/gunyah" ? this.#install("file") : ENOENT;
  }
  async close(fd: number): Promise<number> {
    this.#failed.delete(fd);
    return this.#files.delete(fd) ? 0 : EBADF;
  }
  async ioctl(fd: number, request: number, arg = 0n): Promise<number> {
    return this.call(fd, request, arg);
  }
  call(fd: number, request: number, arg = 0n): number | Promise<number> {
    if (!this.#files.has(fd)) return EBADF;
    this.#ioctls.push({ fd, request, arg });
    const settle = (result: number): number => {
      if (result < 0) this.#failed.add(fd);
      else this.#failed.delete(fd);
      return result;
    };
    const result = this.#options.ioctl?.(request, arg, this, fd) ?? ENOTTY;
    return typeof result === "number" ? settle(result) : result.then(settle);
  }
  signal(): void {}
  diagnose(fd: number): readonly LayerError[] {
    return this.#failed.has(fd) ? (this.#options.layers ?? []) : [];
  }
  mmap(fd: number, _offset: number, length: number): bigint {
    return this.#files.has(fd) ? this.alloc(length) : BigInt(EBADF);
  }
  munmap(address: bigint): number {
    return this.#memory.delete(address) ? 0 : -22;
  }
  fallocate(fd: number): number {
    return this.#files.has(fd) ? 0 : EBADF;
  }
  eventfd(initval: number, flags: number): number {
    return this.#install(createEventFd(BigInt(initval), { semaphore: (flags & 1) !== 0 }));
  }
  eventfdOf(fd: number): EventFd | undefined {
    const file = this.#files.get(fd);
    return file === "file" ? undefined : file;
  }
  alloc(length: number): bigint {
    const address = this.#nextAddress;
    const size = Math.ceil(length / PAGE) * PAGE;
    this.#memory.set(address, new Uint8Array(size));
    this.#nextAddress += BigInt(size + PAGE);
    return address;
  }
  free(address: bigint): void {
    this.#memory.delete(address);
  }
  bytes(address: bigint, length: number): Uint8Array | undefined {
    for (const [base, bytes] of this.#memory) {
      const at = Number(address - base);
      if (at >= 0 && at + length <= bytes.length) return bytes.subarray(at, at + length);
    }
    return undefined;
  }
  read(address: bigint, into: Uint8Array): boolean {
    const bytes = this.bytes(address, into.length);
    if (bytes !== undefined) into.set(bytes);
    return bytes !== undefined;
  }
  write(address: bigint, bytes: Uint8Array): boolean {
    const window = this.bytes(address, bytes.length);
    window?.set(bytes);
    return window !== undefined;
  }
  external<T>(work: Promise<T>): Promise<T> {
    return work;
  }
  async exit(): Promise<void> {
    this.#files.clear();
    this.#memory.clear();
  }

  #install(file: EventFd | "file"): number {
    const fd = this.#nextFd++;
    this.#files.set(fd, file);
    return fd;
  }
}
