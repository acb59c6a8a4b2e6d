import { token } from "../token.ts";
import type { CapId, Intid, Ipa, Pa } from "./address.ts";
import type { EventFd } from "./eventfd.ts";

/**
 * The inside of the host kernel, as its modules (VM functions and platform providers) see it.
 * Source: Linux series v17, include/linux/gunyah.h, drivers/virt/gunyah/vm_mgr.h.
 */

/** 0, or a negative Linux errno. */
export type Errno = number;

/** The hypercalls that host modules make. Each is HVC on the host vCPU. `error` is a GunyahError value. */
export interface Hypercalls {
  /** bell_send. @param newFlags 64-bit flags to set */
  bellSend(bell: CapId, newFlags: bigint): { readonly error: number; readonly oldFlags: bigint };
  /** bell_set_mask */
  bellSetMask(bell: CapId, enableMask: bigint, ackMask: bigint): { readonly error: number };
  /** vcpu_run. The result object is reused by the next call. */
  vcpuRun(vcpu: CapId, resume0: bigint, resume1: bigint, resume2: bigint): VcpuRunResult;
}
export const Hypercalls = token<Hypercalls>("contract/Hypercalls");

export interface VcpuRunResult {
  error: number;
  /** See VcpuRunState in @gunyah-ts/abi. Not valid when error is not OK. */
  state: number;
  /** The result words, 64 bits. Each read makes a BigInt: paths that run often take `address`, `size` and `data2Low`/`data2High`. */
  readonly data0: bigint;
  readonly data1: bigint;
  readonly data2: bigint;
  /** data0 as a number: the IPA of the access, bytes (exact below 2^53). */
  readonly address: Ipa;
  /** data1[31:0]: access size in bytes, or non-zero for a write page fault. */
  readonly size: number;
  /** data2[31:0] and data2[63:32], unsigned: the value that the guest stored. */
  readonly data2Low: number;
  readonly data2High: number;
}

/** A hypervisor resource of a VM, from VM_GET_HYP_RESOURCES. */
export interface GunyahResource {
  readonly type: number;
  readonly label: number;
  readonly capId: CapId;
  /** Host interrupt, or undefined when the resource has none. */
  readonly intid: Intid | undefined;
}

/** Interest in a resource by (type, label). Source: struct gunyah_vm_resource_ticket */
export interface ResourceTicket {
  readonly type: number;
  readonly label: number;
  /** @returns whether this ticket takes the resource */
  populate(resource: GunyahResource): boolean;
  unpopulate(resource: GunyahResource): void;
}

/** Someone who answers guest stores at an address. Source: struct gunyah_vm_io_handler */
export interface IoHandler {
  readonly address: Ipa;
  /** 0 (any length), 1, 2, 4 or 8 bytes. */
  readonly length: number;
  /** Compared with the value written, undefined for any. */
  readonly datamatch: bigint | undefined;
  /** @param low, high the value's halves, unsigned. @returns whether the store was handled */
  write(address: Ipa, length: number, low: number, high: number): boolean;
}

/** What a VM offers to its functions. */
export interface HostVm {
  /** 0xFFFF until allocated. */
  readonly vmid: number;
  addResourceTicket(ticket: ResourceTicket): Errno;
  removeResourceTicket(ticket: ResourceTicket): void;
  /** -EEXIST for a conflicting handler, -EINVAL for a bad length. */
  addIoHandler(handler: IoHandler): Errno;
  removeIoHandler(handler: IoHandler): void;
  /** Offer a guest store to the I/O handlers. @param low, high the value's halves, unsigned. @returns 0 handled, -ENOENT nobody */
  mmioWrite(address: Ipa, length: number, low: number, high: number): Errno;
  /** Give the guest the page at `gpa` (gunyah_gup_demand_page). 0, -EAGAIN (someone else did), -ENOENT, -EPERM, -ENOMEM... */
  demandPage(gpa: Ipa, write: boolean): Errno;
  readonly status: "NO_STATE" | "LOAD" | "READY" | "RUNNING" | "INIT_FAILED" | "EXITED" | "RESETTING" | "RESET";
  /** status_lock for read: undefined at once, or a Promise while VM_START is under way in another task. `status` holds then. */
  settled(): Promise<void> | undefined;
  readonly exitInfo: { readonly type: number; readonly reasonSize: number; readonly reason: Uint8Array };
  /** Called after VM_EXITED was stored. Returns the function that ends it. */
  onExited(listener: () => void): () => void;
  /** Take one reference; each is given back once. The last one dropped destroys the VM. */
  get(): void;
  put(): void;
}

/** One added VM function. Source: struct gunyah_vm_function_instance */
export interface VmFunctionInstance {
  readonly type: number;
  readonly vm: HostVm;
  /** Copy of the user's argument, at most 256 bytes. */
  readonly arg: Uint8Array;
}

/** Driver of one VM function type. Source: struct gunyah_vm_function */
export interface VmFunction {
  /** @returns 0 or a file descriptor (>= 0), or a negative errno: then nothing is left behind */
  bind(instance: VmFunctionInstance): Errno;
  unbind(instance: VmFunctionInstance): void;
  /** Whether REMOVE_FUNCTION with `arg` means this instance. */
  compare(instance: VmFunctionInstance, arg: Uint8Array): boolean;
}

/** What the host kernel offers to the modules of VM functions. */
export interface HostKernel {
  /** Revision of the Linux series that the kernel speaks. Its differences are AbiProfiles of @gunyah-ts/abi. */
  readonly abi: "v14" | "v15" | "v16" | "v17";
  /** eventfd_ctx_fdget: -EBADF when not open, -EINVAL when not an eventfd. */
  eventfd(fd: number): EventFd | Errno;
  /** Install an anonymous inode. @returns the fd, or -EMFILE: then the file stays the caller's and is not released */
  anonFd(name: string, file: HostFile): number;
  /** A zeroed kernel page that a file may map into user space, or -ENOMEM. `free` gives it back. */
  allocPage(): { readonly bytes: Uint8Array; readonly address: Pa; free(): void } | Errno;
  /** SMC #0 on the host's vCPU, for what secure firmware offers to the kernel. X0-X17 in and out. */
  smc(x: BigUint64Array): void;
  /** Request a host interrupt line. @returns the function that frees it, or an errno */
  requestIrq(intid: Intid, handler: () => void): (() => void) | Errno;
  /**
   * need_resched: another task deserves the CPU, or the outside world has had no turn for some milliseconds. Ask it
   * between any two pieces of work that a guest can make you do, the way back to userspace among them, and `yield`.
   */
  readonly needResched: boolean;
  /** The running task used up a time slice: sets needResched while another task is runnable. */
  tick(): void;
  /** schedule: lets other tasks and the outside world run. Resolves when this task has the CPU again. */
  yield(): Promise<void>;
  /**
   * Sleep until `wake` is called (wait_event_interruptible). While every task sleeps, the host's CPU idles (WFI).
   */
  sleep(): { readonly done: Promise<void>; wake(): void };
  /** Linux pr_warn and friends. */
  log(level: "warn" | "info" | "error", message: string): void;
}
export const HostKernel = token<HostKernel>("contract/HostKernel");

/** An open file description. All results are >= 0 or negative errno. */
export interface HostFile {
  readonly kind: string;
  ioctl?(request: number, arg: bigint, user: UserMemory): Errno | Promise<Errno>;
  /** Pages of the mapping, or an errno. Shorter than `length` where only the first pages exist (SIGBUS beyond). */
  mmap?(offset: number, length: number, shared: boolean): Uint8Array | Errno;
  fallocate?(mode: number, offset: number, length: number): Errno;
  /** A signal for the thread that sleeps in a call on this file: the call ends with -EINTR. */
  signal?(): void;
  /** The last descriptor and mapping are gone and no call is under way. */
  release?(): void;
  /** Why the last operation failed, outermost layer first. */
  diagnosis?(): readonly LayerError[];
}

/** One layer's answer on the way of a failing call: "ioctl" errno, "rm" RmError, "hypervisor" GunyahError. */
export interface LayerError {
  readonly layer: "ioctl" | "rm" | "hypervisor" | "platform" | "driver";
  /** The layer's own number. */
  readonly value: number;
  /** The layer's name for it, for example `MEM_INUSE`. */
  readonly code: string;
  /** What was asked: the ioctl, RM message or hypercall, with its most telling argument. */
  readonly detail: string;
}

/** The calling process's memory. */
export interface UserMemory {
  /** A copy of [address, address + length), or undefined for EFAULT. */
  copyFrom(address: bigint, length: number): Uint8Array | undefined;
  /** @returns false for EFAULT */
  copyTo(address: bigint, bytes: Uint8Array): boolean;
}

/** A memory parcel on its way to or from the RM. Source: struct gunyah_rm_mem_parcel */
export interface MemParcel {
  readonly label: number;
  readonly acl: readonly { readonly vmid: number /** R 4, W 2, X 1 */; readonly permissions: number }[];
  /** Host physical address and size, bytes. */
  readonly entries: readonly { readonly address: Pa; readonly size: number }[];
  /** RM's handle, 0xFFFFFFFF when there is none yet. */
  readonly handle: number;
}

/** One folio that a guest touched. */
export interface DemandFolio {
  readonly vmid: number;
  /** GunyahAccess: R 4, W 2, X 1. X is set exactly when the memory is lent. */
  readonly access: number;
  readonly address: Pa;
  readonly size: number;
}
