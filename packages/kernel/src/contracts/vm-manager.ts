import { token } from "../token.ts";
import type { EventFd } from "./eventfd.ts";
import type { LayerError } from "./host.ts";
import type { NativeProgram } from "./native-vcpu.ts";

/**
 * The host kernel with the driver behind /dev/gunyah, and the system calls of one VMM process.
 * Source: shared UAPI include/uapi/linux/gunyah.h; errors are negative Linux errno values.
 */
export interface VmManager {
  /** The host VM's program. A loader installs it at the board's `hostEntry`. */
  readonly program: NativeProgram;
  /** Resolves when the driver has probed and /dev/gunyah exists; rejects with VMM_PROBE_FAILED and what was found instead. */
  readonly ready: Promise<void>;
  /** A new VMM process with an empty file table and address space. */
  createProcess(): HostProcess;
}
export const VmManager = token<VmManager>("contract/VmManager");

/** System calls. Numbers and bytes, as a VMM written against the real ABI makes them. */
export interface HostProcess {
  /** Only "/dev/gunyah". @returns fd or -ENOENT, -EMFILE */
  open(path: string): number;
  close(fd: number): Promise<number>;
  /** @param arg value, or user address of the structure */
  ioctl(fd: number, request: number, arg?: bigint): Promise<number>;
  /** The same call, but one that did not have to sleep gives its result at once, without a Promise. */
  call(fd: number, request: number, arg?: bigint): number | Promise<number>;
  /** A signal to the thread that sleeps in a call on `fd`: the call ends with -EINTR. Nothing sleeps there: no effect. */
  signal(fd: number): void;
  /** Why the last call on `fd` failed, outermost layer first; empty when it did not. What dmesg would tell. */
  diagnose(fd: number): readonly LayerError[];
  /** @returns user address, or a negative errno. `bytes(address, length)` gives the memory. */
  mmap(fd: number, offset: number, length: number, flags?: { readonly shared?: boolean }): bigint;
  munmap(address: bigint, length: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  /** eventfd2(initval, flags) */
  eventfd(initval: number, flags: number): number;
  /** The EventFd behind a descriptor, for code of this process that waits on it. */
  eventfdOf(fd: number): EventFd | undefined;
  /** Anonymous memory of the process, zeroed. @returns user address */
  alloc(length: number): bigint;
  free(address: bigint): void;
  /**
   * Touch the process's memory as a load or store would: pages are faulted in. undefined for SIGSEGV/SIGBUS
   * (for instance a guest_memfd page that is lent and cannot be taken back).
   * The window is live until the next system call. Also undefined where the range spans folios that are not
   * adjacent in physical memory (the allocator avoids that while it can): `read` and `write` always work.
   */
  bytes(address: bigint, length: number, access: "r" | "rw"): Uint8Array | undefined;
  /** Copy between the process's memory and `bytes`, page by page. @returns false for SIGSEGV/SIGBUS (a part may be copied) */
  read(address: bigint, into: Uint8Array): boolean;
  write(address: bigint, bytes: Uint8Array): boolean;
  /**
   * Wait for something outside the machine (a file, a socket). While any such wait is under way an idle machine
   * does not let its virtual clock jump.
   */
  external<T>(work: Promise<T>): Promise<T>;
  /** Close everything, as the kernel does when a process dies. */
  exit(): Promise<void>;
}
