import { errnoName, ioctlName, LinuxErrno } from "@gunyah-ts/abi";
import type { EventFd, HostFile, HostProcess, LayerError, UserMemory } from "@gunyah-ts/kernel";
import { GuestMemfd } from "../gunyah/guest-memfd.ts";
import { EventFdFile } from "../kernel/eventfd-file.ts";
import type { HostKernelCore } from "../kernel/host-kernel.ts";
import { OpenFile } from "../kernel/open-file.ts";
import { AddressSpace } from "./address-space.ts";

/** RLIMIT_NOFILE. */
const MAX_FDS = 1024;
const EFD_FLAGS = 0o1 | 0o4000 | 0o2000000;

/**
 * One VMM process: descriptors, memory, system calls.
 * Source: Linux system call interface, as far as /dev/gunyah needs it
 */
export class Process implements HostProcess {
  readonly memory: AddressSpace;
  readonly #kernel: HostKernelCore;
  readonly #fds = new Map<number, OpenFile>();
  readonly #lastErrors = new Map<number, readonly LayerError[]>();
  readonly #user: UserMemory;
  #exited = false;
  /** No call of this process is under way any more, and none will be. */
  #isGone = false;
  /** Calls under way. */
  #calls = 0;
  #callEnded: (() => void) | undefined;

  constructor(kernel: HostKernelCore) {
    this.#kernel = kernel;
    this.memory = new AddressSpace(kernel.memory);
    this.#user = {
      copyFrom: (address, length) => {
        const bytes = new Uint8Array(length);
        return this.read(address, bytes) ? bytes : undefined;
      },
      copyTo: (address, bytes) => this.write(address, bytes),
    };
  }

  open(path: string): number {
    const file = this.#exited ? undefined : this.#kernel.openDevice(path);
    return file === undefined ? -LinuxErrno.ENOENT : this.install(file);
  }

  /** Give an open file the lowest free descriptor. @returns it, or -EMFILE (the file stays the caller's) */
  install(file: HostFile): number {
    if (this.#isGone) return -LinuxErrno.EMFILE;
    for (let fd = 0; fd < MAX_FDS; fd++) {
      if (this.#fds.has(fd)) continue;
      this.#fds.set(fd, new OpenFile(file));
      return fd;
    }
    return -LinuxErrno.EMFILE;
  }

  /** What a system call names. A process that has begun to exit makes none. */
  #userFile(fd: number): OpenFile | undefined {
    return this.#exited ? undefined : this.#fds.get(fd);
  }

  /** What a call under way names, even while the process exits. */
  fileOf(fd: number): OpenFile | undefined {
    return this.#fds.get(fd);
  }

  async close(fd: number): Promise<number> {
    const open = this.#fds.get(fd);
    if (open === undefined) return -LinuxErrno.EBADF;
    this.#fds.delete(fd);
    this.#lastErrors.delete(fd);
    const kernel = this.#kernel;
    kernel.scheduler.enter();
    try {
      open.put();
      await kernel.settle();
    } finally {
      kernel.scheduler.leave();
    }
    return 0;
  }

  async ioctl(fd: number, request: number, arg = 0n): Promise<number> {
    return this.call(fd, request, arg);
  }

  call(fd: number, request: number, arg = 0n): number | Promise<number> {
    const open = this.#userFile(fd);
    if (open === undefined) return -LinuxErrno.EBADF;
    const { file } = open;
    if (file.ioctl === undefined) return -LinuxErrno.ENOTTY;
    const kernel = this.#kernel;
    kernel.scheduler.enter();
    kernel.current = this;
    open.get();
    const result = file.ioctl(request >>> 0, arg, this.#user);
    if (typeof result === "number" && !kernel.hasDeferred) {
      open.put();
      this.#note(fd, request, file, result);
      if (!kernel.hasDeferred) {
        kernel.scheduler.leave();
        return result;
      }
    }
    return this.#finish(fd, request, open, result);
  }

  async #finish(fd: number, request: number, open: OpenFile, pending: number | Promise<number>): Promise<number> {
    const kernel = this.#kernel;
    this.#calls++;
    try {
      if (typeof pending === "number") {
        await kernel.settle();
        return pending;
      }
      const result = await pending;
      open.put();
      await kernel.settle();
      this.#note(fd, request, open.file, result);
      // -ERESTARTSYS never leaves the kernel.
      return result === -LinuxErrno.ERESTARTSYS ? -LinuxErrno.EINTR : result;
    } finally {
      this.#calls--;
      this.#callEnded?.();
      kernel.scheduler.leave();
    }
  }

  #note(fd: number, request: number, file: HostFile, result: number): void {
    if (result < 0) {
      const layers = file.diagnosis?.() ?? [];
      const own: LayerError = {
        layer: "ioctl",
        value: result,
        code: errnoName(result),
        detail: `${ioctlName(request >>> 0)} on ${file.kind}`,
      };
      this.#lastErrors.set(fd, [own, ...layers]);
    } else if (this.#lastErrors.size > 0) this.#lastErrors.delete(fd);
    const { trace } = this.#kernel;
    if (trace?.enabled === true)
      trace.emit({
        kind: "ioctl",
        at: this.#kernel.clock.now(),
        fd,
        request: request >>> 0,
        name: ioctlName(request >>> 0),
        result,
      });
  }

  diagnose(fd: number): readonly LayerError[] {
    return this.#lastErrors.get(fd) ?? [];
  }

  signal(fd: number): void {
    this.#fds.get(fd)?.file.signal?.();
  }

  mmap(fd: number, offset: number, length: number, flags: { readonly shared?: boolean } = {}): bigint {
    const open = this.#userFile(fd);
    if (open === undefined) return BigInt(-LinuxErrno.EBADF);
    if (length <= 0) return BigInt(-LinuxErrno.EINVAL);
    const shared = flags.shared !== false;
    if (open.file instanceof GuestMemfd)
      return BigInt(this.memory.mapGuestMemory(open.file, open, offset, length, shared));
    if (open.file.mmap === undefined) return BigInt(-LinuxErrno.ENODEV);
    const pages = open.file.mmap(offset, length, shared);
    if (typeof pages === "number") return BigInt(pages);
    return BigInt(this.memory.mapKernel(pages, length, open));
  }

  munmap(address: bigint, length: number): number {
    return this.memory.unmap(Number(address), length);
  }

  fallocate(fd: number, mode: number, offset: number, length: number): number {
    const open = this.#userFile(fd);
    if (open === undefined) return -LinuxErrno.EBADF;
    if (open.file.fallocate === undefined) return -LinuxErrno.ENODEV;
    if (offset < 0 || length <= 0) return -LinuxErrno.EINVAL;
    return open.file.fallocate(mode, offset, length);
  }

  eventfd(initial: number, flags: number): number {
    if (this.#exited) return -LinuxErrno.EMFILE;
    if ((flags & ~EFD_FLAGS) !== 0) return -LinuxErrno.EINVAL;
    return this.install(this.#kernel.createEventFd(BigInt(initial >>> 0), (flags & 1) !== 0));
  }

  eventfdOf(fd: number): EventFd | undefined {
    const file = this.#fds.get(fd)?.file;
    return file instanceof EventFdFile ? file.event : undefined;
  }

  alloc(length: number): bigint {
    return BigInt(this.#exited ? -LinuxErrno.ENOMEM : this.memory.mapAnonymous(length));
  }

  free(address: bigint): void {
    this.memory.unmapAt(Number(address));
  }

  bytes(address: bigint, length: number, access: "r" | "rw"): Uint8Array | undefined {
    return this.memory.window(Number(address), length, access);
  }

  read(address: bigint, into: Uint8Array): boolean {
    return this.memory.read(Number(address), into);
  }

  write(address: bigint, bytes: Uint8Array): boolean {
    return this.memory.write(Number(address), bytes);
  }

  external<T>(work: Promise<T>): Promise<T> {
    return this.#kernel.scheduler.external(work);
  }

  /**
   * exit_group: every thread is told to end, and what the process has goes when none is inside a call any more. A call
   * that waits for RM is not to be interrupted.
   */
  async exit(): Promise<void> {
    if (this.#exited) return;
    this.#exited = true;
    while (this.#calls > 0) {
      for (const open of this.#fds.values()) open.file.signal?.();
      await new Promise<void>((resolve) => {
        this.#callEnded = resolve;
      });
      // A thread that waited for the one that ended goes on now, and must be told too.
      await this.#kernel.scheduler.yield();
    }
    this.#isGone = true;
    this.memory.clear();
    for (const fd of [...this.#fds.keys()]) await this.close(fd);
    this.#kernel.exited(this);
  }
}
