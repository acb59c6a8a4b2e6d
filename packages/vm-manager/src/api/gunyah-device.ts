import { CreateMemArgs, GuestMemFlag, GunyahIoctl } from "@gunyah-ts/abi";
import type { EventFd, HostProcess } from "@gunyah-ts/kernel";
import { GuestMemory } from "./guest-memory.ts";
import { GunyahVm } from "./gunyah-vm.ts";
import { checked } from "./host-error.ts";
import { UserScratch } from "./user-scratch.ts";

/** An eventfd of the process: its number for ADD_FUNCTION, its counter for code that waits or signals. */
export interface HostEventFd {
  readonly fd: number;
  readonly event: EventFd;
  close(): Promise<void>;
}

/** EFD_* flags of eventfd2(2). */
export const EventFdFlag = { SEMAPHORE: 1, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

/**
 * `/dev/gunyah`, opened by one process. The typed API is made of the raw calls of `HostProcess` and nothing else:
 * every method says which call it makes. A failing call throws HostCallError.
 *
 * Source: Linux series v17, include/uapi/linux/gunyah.h
 */
export class GunyahDevice {
  readonly process: HostProcess;
  readonly fd: number;
  readonly #scratch: UserScratch;

  private constructor(process: HostProcess, fd: number) {
    this.process = process;
    this.fd = fd;
    this.#scratch = UserScratch.of(process);
  }

  /** open("/dev/gunyah"). Throws ENOENT while the driver has not probed, EMFILE. */
  static open(process: HostProcess): GunyahDevice {
    const fd = process.open("/dev/gunyah");
    return new GunyahDevice(process, checked(fd, "open /dev/gunyah", process, -1));
  }

  /** GUNYAH_CREATE_VM. No RM traffic yet. Throws ENOMEM, EMFILE. */
  async createVm(): Promise<GunyahVm> {
    const result = await this.process.ioctl(this.fd, GunyahIoctl.CREATE_VM, 0n);
    return new GunyahVm(this.process, checked(result, "GUNYAH_CREATE_VM", this.process, this.fd));
  }

  /**
   * GUNYAH_CREATE_GUEST_MEM: a file of `size` bytes whose pages are given to guests.
   *
   * @param size bytes, multiple of 4096
   * @param options.hugePages allocate 2 MiB folios where the range is empty; bindings must then be 2 MiB aligned
   * Throws EINVAL, ENOMEM, EMFILE.
   */
  async createGuestMemory(
    size: number,
    options: { readonly hugePages?: boolean; readonly closeOnExec?: boolean } = {},
  ): Promise<GuestMemory> {
    const flags =
      (options.closeOnExec === false ? 0 : GuestMemFlag.CLOEXEC) |
      (options.hugePages === true ? GuestMemFlag.ALLOW_HUGEPAGE : 0);
    const arg = this.#scratch.put(
      CreateMemArgs.encode({ flags: BigInt(flags), size: BigInt(size), reserved: new Uint8Array(48) }),
    );
    const result = await this.process.ioctl(this.fd, GunyahIoctl.CREATE_GUEST_MEM, arg);
    return new GuestMemory(this.process, checked(result, "GUNYAH_CREATE_GUEST_MEM", this.process, this.fd), size);
  }

  /** eventfd2(initial, flags). Throws EINVAL, EMFILE. */
  createEventFd(initial = 0, flags: number = EventFdFlag.CLOEXEC | EventFdFlag.NONBLOCK): HostEventFd {
    const process = this.process;
    const fd = checked(process.eventfd(initial, flags), "eventfd2", process, -1);
    const event = process.eventfdOf(fd) as EventFd;
    return {
      fd,
      event,
      close: async () => {
        checked(await process.close(fd), "close", process, -1);
      },
    };
  }

  /** close. The VMs made from it live on. */
  async close(): Promise<void> {
    checked(await this.process.close(this.fd), "close", this.process, -1);
  }
}
