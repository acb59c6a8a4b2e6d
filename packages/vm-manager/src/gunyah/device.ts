import { CreateMemArgs, GuestMemFlag, GunyahIoctl, LinuxErrno, toNumber } from "@gunyah-ts/abi";
import type { Errno, HostFile, LayerError, UserMemory } from "@gunyah-ts/kernel";
import { PAGE_SIZE } from "../mm/host-memory.ts";
import { GuestMemfd } from "./guest-memfd.ts";
import { copy, type GunyahDriver, Vm, VmFile } from "./vm.ts";

/**
 * An open `/dev/gunyah`.
 * Source: Linux series v17, drivers/virt/gunyah/rsc_mgr.c, gunyah_dev_ioctl; vm_mgr.c, gunyah_dev_vm_mgr_ioctl
 */
export class GunyahDeviceFile implements HostFile {
  readonly kind = "gunyah";
  readonly #driver: GunyahDriver;

  constructor(driver: GunyahDriver) {
    this.#driver = driver;
  }

  ioctl(request: number, arg: bigint, user: UserMemory): Errno {
    switch (request) {
      case GunyahIoctl.CREATE_VM:
        return this.#createVm(arg);
      case GunyahIoctl.CREATE_GUEST_MEM:
        return this.#driver.kernel.profile.guestMemoryFds ? this.#createGuestMem(arg, user) : -LinuxErrno.ENOTTY;
      default:
        return -LinuxErrno.ENOTTY;
    }
  }

  diagnosis(): readonly LayerError[] {
    return [];
  }

  #createVm(arg: bigint): Errno {
    // Reserved for a VM type.
    if (arg !== 0n) return -LinuxErrno.EINVAL;
    const { fault } = this.#driver;
    if (fault?.("host.alloc.vm") === true) return -LinuxErrno.ENOMEM;
    return this.#install("gunyah-vm", new VmFile(new Vm(this.#driver)));
  }

  #createGuestMem(arg: bigint, user: UserMemory): Errno {
    const args = copy(user, arg, CreateMemArgs);
    if (args === undefined) return -LinuxErrno.EFAULT;
    const size = toNumber(args.size);
    if (size === undefined || size % PAGE_SIZE !== 0) return -LinuxErrno.EINVAL;
    if ((args.flags & ~BigInt(GuestMemFlag.CLOEXEC | GuestMemFlag.ALLOW_HUGEPAGE)) !== 0n) return -LinuxErrno.EINVAL;
    const { kernel, fault } = this.#driver;
    if (fault?.("host.alloc.guest-memfd") === true) return -LinuxErrno.ENOMEM;
    const huge = (args.flags & BigInt(GuestMemFlag.ALLOW_HUGEPAGE)) !== 0n;
    return this.#install("[gh-gmem]", new GuestMemfd(kernel.memory, kernel.profile, size, huge));
  }

  #install(name: string, file: HostFile): Errno {
    const fd = this.#driver.kernel.anonFd(name, file);
    if (fd < 0) file.release?.();
    return fd;
  }
}
