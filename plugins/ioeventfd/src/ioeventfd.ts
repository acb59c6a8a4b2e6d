import { type AbiProfile, FnIoeventfdArg, IoeventfdFlag, LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, EventFd, HostKernel, IoHandler, Ipa, VmFunction, VmFunctionInstance } from "@gunyah-ts/kernel";

/** What binding made of one instance. */
interface Bound {
  readonly handler: IoHandler;
  readonly address: bigint;
  /** As userspace gave them, for compare. */
  readonly length: number;
  readonly flags: number;
  readonly datamatch: bigint;
}

const LENGTHS: readonly number[] = [0, 1, 2, 4, 8];
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/**
 * VM function IOEVENTFD: a guest store at an address adds one to an eventfd, and the guest goes on without the VMM.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_ioeventfd.c
 */
export class Ioeventfd implements VmFunction {
  readonly #kernel: Pick<HostKernel, "eventfd">;
  readonly #fullCompare: boolean;
  readonly #bound = new Map<VmFunctionInstance, Bound>();

  constructor(kernel: Pick<HostKernel, "eventfd">, profile: Pick<AbiProfile, "ioeventfdFullCompare">) {
    this.#kernel = kernel;
    this.#fullCompare = profile.ioeventfdFullCompare;
  }

  /** Instances bound now. */
  get count(): number {
    return this.#bound.size;
  }

  /**
   * -EINVAL: argument size, unknown flags, a length that is not 0, 1, 2, 4 or 8, address + length past 2^64, length 0
   * with DATAMATCH, a descriptor that is no eventfd. -EBADF: no descriptor. -EEXIST: a conflicting handler.
   */
  bind(instance: VmFunctionInstance): Errno {
    const decoded = FnIoeventfdArg.decode(instance.arg);
    if (!decoded.ok) return -LinuxErrno.EINVAL;
    const { datamatch, addr, len, fd, flags } = decoded.value;
    if (!LENGTHS.includes(len)) return -LinuxErrno.EINVAL;
    if (addr + BigInt(len) > U64_MAX) return -LinuxErrno.EINVAL;
    if ((flags & ~IoeventfdFlag.DATAMATCH) !== 0) return -LinuxErrno.EINVAL;
    const matches = (flags & IoeventfdFlag.DATAMATCH) !== 0;
    if (len === 0 && matches) return -LinuxErrno.EINVAL;
    const event = this.#kernel.eventfd(fd);
    if (typeof event === "number") return event;

    // Length and data count only with DATAMATCH: without it, stores of every length match.
    const handler = new StoreHandler(event, Number(addr), matches ? len : 0, matches ? datamatch : undefined);
    const error = instance.vm.addIoHandler(handler);
    if (error !== 0) return error;
    this.#bound.set(instance, { handler, address: addr, length: len, flags, datamatch });
    return 0;
  }

  unbind(instance: VmFunctionInstance): void {
    const bound = this.#bound.get(instance);
    if (bound === undefined) return;
    this.#bound.delete(instance);
    instance.vm.removeIoHandler(bound.handler);
  }

  /** v16 on: address, length, flags, and datamatch when its flag is set. Before: the address alone. */
  compare(instance: VmFunctionInstance, arg: Uint8Array): boolean {
    const bound = this.#bound.get(instance);
    const decoded = FnIoeventfdArg.decode(arg);
    if (bound === undefined || !decoded.ok) return false;
    const { datamatch, addr, len, flags } = decoded.value;
    if (bound.address !== addr) return false;
    if (!this.#fullCompare) return true;
    if (bound.length !== len || bound.flags !== flags) return false;
    return (flags & IoeventfdFlag.DATAMATCH) === 0 || bound.datamatch === datamatch;
  }
}

class StoreHandler implements IoHandler {
  readonly #event: EventFd;
  readonly address: Ipa;
  readonly length: number;
  readonly datamatch: bigint | undefined;

  constructor(event: EventFd, address: Ipa, length: number, datamatch: bigint | undefined) {
    this.#event = event;
    this.address = address;
    this.length = length;
    this.datamatch = datamatch;
  }

  write(): boolean {
    this.#event.signal();
    return true;
  }
}
