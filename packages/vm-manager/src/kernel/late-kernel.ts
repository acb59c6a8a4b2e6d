import type {
  CapId,
  Errno,
  EventFd,
  HostFile,
  HostKernel,
  Hypercalls,
  Intid,
  Pa,
  VcpuRunResult,
} from "@gunyah-ts/kernel";
import type { HostKernelCore } from "./host-kernel.ts";

/**
 * `HostKernel` and `Hypercalls` for modules that are set up before the host VM runs: each call goes to the kernel that
 * the program made when it started.
 */
export class LateKernel implements HostKernel, Hypercalls {
  readonly #find: () => HostKernelCore;
  #core: HostKernelCore | undefined;

  readonly abi: "v14" | "v15" | "v16" | "v17";

  /** @param find throws VMM_NOT_STARTED before the program runs */
  constructor(abi: "v14" | "v15" | "v16" | "v17", find: () => HostKernelCore) {
    this.abi = abi;
    this.#find = find;
  }

  get #kernel(): HostKernelCore {
    this.#core ??= this.#find();
    return this.#core;
  }

  eventfd(fd: number): EventFd | Errno {
    return this.#kernel.eventfd(fd);
  }
  anonFd(name: string, file: HostFile): number {
    return this.#kernel.anonFd(name, file);
  }
  smc(x: BigUint64Array): void {
    this.#kernel.smc(x);
  }
  allocPage(): { readonly bytes: Uint8Array; readonly address: Pa; free(): void } | Errno {
    return this.#kernel.allocPage();
  }
  requestIrq(intid: Intid, handler: () => void): (() => void) | Errno {
    return this.#kernel.requestIrq(intid, handler);
  }
  get needResched(): boolean {
    return this.#kernel.needResched;
  }
  tick(): void {
    this.#kernel.tick();
  }
  yield(): Promise<void> {
    return this.#kernel.yield();
  }
  sleep(): { readonly done: Promise<void>; wake(): void } {
    return this.#kernel.sleep();
  }
  log(level: "warn" | "info" | "error", message: string): void {
    this.#kernel.log(level, message);
  }

  bellSend(bell: CapId, newFlags: bigint): { readonly error: number; readonly oldFlags: bigint } {
    return this.#kernel.hypercalls.bellSend(bell, newFlags);
  }
  bellSetMask(bell: CapId, enableMask: bigint, ackMask: bigint): { readonly error: number } {
    return this.#kernel.hypercalls.bellSetMask(bell, enableMask, ackMask);
  }
  vcpuRun(vcpu: CapId, resume0: bigint, resume1: bigint, resume2: bigint): VcpuRunResult {
    return this.#kernel.hypercalls.vcpuRun(vcpu, resume0, resume1, resume2);
  }
}
