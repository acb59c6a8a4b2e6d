import {
  FnDesc,
  FnIoeventfdArg,
  FnIrqfdArg,
  FnType,
  FnVcpuArg,
  GunyahIoctl,
  IoeventfdFlag,
  IrqfdFlag,
  MapMemArgs,
  MapMemFlag,
  UserspaceMemoryRegion,
  VmBootContext,
  VmDtbConfig,
} from "@gunyah-ts/abi";
import { bug, type HostProcess, type Ipa } from "@gunyah-ts/kernel";
import type { GuestMemory } from "./guest-memory.ts";
import { GunyahVcpu } from "./gunyah-vcpu.ts";
import { checked } from "./host-error.ts";
import { bootRegister, mapMemFlags } from "./uapi.ts";
import { UserScratch } from "./user-scratch.ts";

/** Arguments of VM_MAP_MEM. */
export interface MapMemory {
  /** Bytes, multiple of 4096 (2 MiB for a file with huge pages). */
  readonly guestAddress: Ipa;
  readonly memory: Pick<GuestMemory, "fd">;
  /** Bytes into the file, same alignment. Default 0. */
  readonly offset?: number;
  /** Bytes, same alignment. */
  readonly size: number;
  /** lend: the host loses access to what the guest touched. Default lend. */
  readonly access?: "lend" | "share" | "default";
  /** Guest rights, any of r, w, x. Default rwx. */
  readonly permissions?: string;
}

/** One register of SET_BOOT_CONTEXT. */
export type BootRegister = `X${number}` | "PC" | "SP_EL0" | "SP_EL1";

/**
 * A VM file descriptor.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_ioctl
 */
export class GunyahVm {
  readonly process: HostProcess;
  readonly fd: number;
  readonly #scratch: UserScratch;

  constructor(process: HostProcess, fd: number) {
    this.process = process;
    this.fd = fd;
    this.#scratch = UserScratch.of(process);
  }

  /** GUNYAH_VM_MAP_MEM. Throws EINVAL, EEXIST for an overlap of guest or file range. Works before and after start. */
  async mapMemory(map: MapMemory): Promise<void> {
    await this.#mapMem(map, 0, "GUNYAH_VM_MAP_MEM");
  }

  /**
   * GUNYAH_VM_MAP_MEM with UNMAP: remove a binding, its head or its tail. Takes the memory back from the guest.
   * Throws ENOENT for no such binding, EINVAL for a part from the middle.
   */
  async unmapMemory(map: MapMemory): Promise<void> {
    await this.#mapMem(map, MapMemFlag.UNMAP, "GUNYAH_VM_MAP_MEM (UNMAP)");
  }

  /**
   * `mapMemory` and `unmapMemory` without a Promise, for a device in the middle of a request. Binding memory takes no
   * lock that someone sleeps under; a call that had to sleep all the same is a BUG_.
   */
  mapMemoryNow(map: MapMemory): void {
    this.#now(GunyahIoctl.VM_MAP_MEM, this.#mapMemArg(map, 0), "GUNYAH_VM_MAP_MEM");
  }

  unmapMemoryNow(map: MapMemory): void {
    this.#now(GunyahIoctl.VM_MAP_MEM, this.#mapMemArg(map, MapMemFlag.UNMAP), "GUNYAH_VM_MAP_MEM (UNMAP)");
  }

  async #mapMem(map: MapMemory, extraFlags: number, call: string): Promise<void> {
    await this.#ioctl(GunyahIoctl.VM_MAP_MEM, this.#mapMemArg(map, extraFlags), call);
  }

  #mapMemArg(map: MapMemory, extraFlags: number): bigint {
    const flags = mapMemFlags(map.access ?? "lend", map.permissions ?? "rwx") | extraFlags;
    return this.#scratch.put(
      MapMemArgs.encode({
        guestAddr: BigInt(map.guestAddress),
        flags,
        guestMemFd: map.memory.fd,
        offset: BigInt(map.offset ?? 0),
        size: BigInt(map.size),
      }),
    );
  }

  /**
   * GUNYAH_VM_SET_USER_MEM_REGION, profile v14 only (ENOTTY elsewhere): memory of the process that is shared with the
   * guest at start.
   * @param region.flags READ 1, WRITE 2, EXEC 4
   */
  async setUserMemoryRegion(region: {
    readonly label: number;
    readonly flags: number;
    readonly guestAddress: Ipa;
    readonly size: number;
    readonly userAddress: bigint;
  }): Promise<void> {
    const arg = this.#scratch.put(
      UserspaceMemoryRegion.encode({
        label: region.label,
        flags: region.flags,
        guestPhysAddr: BigInt(region.guestAddress),
        memorySize: BigInt(region.size),
        userspaceAddr: region.userAddress,
      }),
    );
    await this.#ioctl(GunyahIoctl.VM_SET_USER_MEM_REGION, arg, "GUNYAH_VM_SET_USER_MEM_REGION");
  }

  /** GUNYAH_VM_SET_DTB_CONFIG: where the guest's device tree lies and the room that it may grow into, bytes. */
  async setDtbConfig(config: { readonly guestAddress: Ipa; readonly size: number }): Promise<void> {
    const arg = this.#scratch.put(
      VmDtbConfig.encode({ guestPhysAddr: BigInt(config.guestAddress), size: BigInt(config.size) }),
    );
    await this.#ioctl(GunyahIoctl.VM_SET_DTB_CONFIG, arg, "GUNYAH_VM_SET_DTB_CONFIG");
  }

  /** GUNYAH_VM_SET_BOOT_CONTEXT: initial value of a register of the boot vCPU, 64 bits. Throws EINVAL after start. */
  async setBootContext(register: BootRegister, value: bigint): Promise<void> {
    const arg = this.#scratch.put(VmBootContext.encode({ reg: bootRegister(register), reserved: 0, value }));
    await this.#ioctl(GunyahIoctl.VM_SET_BOOT_CONTEXT, arg, "GUNYAH_VM_SET_BOOT_CONTEXT");
  }

  /**
   * GUNYAH_VM_ADD_FUNCTION VCPU, then mmap of its run page.
   * @param id index of the CPU node in the guest's device tree
   * Throws EEXIST for an id taken, ENOENT when no driver of the type is installed.
   */
  async addVcpu(id: number): Promise<GunyahVcpu> {
    const fd = await this.addFunction(FnType.VCPU, FnVcpuArg.encode({ id }));
    return GunyahVcpu.attach(this.process, fd, id);
  }

  /** GUNYAH_VM_REMOVE_FUNCTION VCPU. Its fd then answers ENODEV. */
  async removeVcpu(id: number): Promise<void> {
    await this.removeFunction(FnType.VCPU, FnVcpuArg.encode({ id }));
  }

  /**
   * GUNYAH_VM_ADD_FUNCTION IRQFD: every write to the eventfd rings the doorbell with this label.
   * @param irqfd.level the doorbell acknowledges itself, for a level interrupt
   */
  async addIrqfd(irqfd: { readonly fd: number; readonly label: number; readonly level?: boolean }): Promise<void> {
    await this.addFunction(FnType.IRQFD, irqfdArg(irqfd.fd, irqfd.label, irqfd.level === true ? IrqfdFlag.LEVEL : 0));
  }

  /** GUNYAH_VM_REMOVE_FUNCTION IRQFD: only the label counts. */
  async removeIrqfd(label: number): Promise<void> {
    await this.removeFunction(FnType.IRQFD, irqfdArg(0, label, 0));
  }

  /**
   * GUNYAH_VM_ADD_FUNCTION IOEVENTFD: a guest store at `address` signals the eventfd.
   * Without `datamatch` the driver matches stores of every length, whatever `length` says.
   * @param ioeventfd.length 0, 1, 2, 4 or 8 bytes
   */
  async addIoeventfd(ioeventfd: Ioeventfd): Promise<void> {
    await this.addFunction(FnType.IOEVENTFD, ioeventfdArg(ioeventfd));
  }

  /** GUNYAH_VM_REMOVE_FUNCTION IOEVENTFD: address, length and datamatch must be those of the addition. */
  async removeIoeventfd(ioeventfd: Omit<Ioeventfd, "fd">): Promise<void> {
    await this.removeFunction(FnType.IOEVENTFD, ioeventfdArg({ ...ioeventfd, fd: -1 }));
  }

  /** GUNYAH_VM_ADD_FUNCTION with any type. @returns what the function's bind returned: 0 or a file descriptor */
  async addFunction(type: number, arg: Uint8Array): Promise<number> {
    return this.#function(GunyahIoctl.VM_ADD_FUNCTION, type, arg, "GUNYAH_VM_ADD_FUNCTION");
  }

  /** GUNYAH_VM_REMOVE_FUNCTION: every instance of `type` that compares equal to `arg`. Throws ENOENT for none. */
  async removeFunction(type: number, arg: Uint8Array): Promise<void> {
    await this.#function(GunyahIoctl.VM_REMOVE_FUNCTION, type, arg, "GUNYAH_VM_REMOVE_FUNCTION");
  }

  /**
   * GUNYAH_VM_START. A VM that runs already is fine. A failed start cannot be tried again (ENODEV).
   * The error's `layers` say which RM message failed and why.
   */
  async start(): Promise<void> {
    await this.#ioctl(GunyahIoctl.VM_START, 0n, "GUNYAH_VM_START");
  }

  /** close. The VM stops and is torn down when this was the last of its VM and vCPU descriptors. */
  async close(): Promise<void> {
    checked(await this.process.close(this.fd), "close", this.process, -1);
  }

  async #function(request: number, type: number, arg: Uint8Array, call: string): Promise<number> {
    const pointer = this.#scratch.put(arg, 1);
    const desc = this.#scratch.put(FnDesc.encode({ type, argSize: arg.length, arg: pointer }));
    return this.#ioctl(request, desc, `${call} (type ${type})`);
  }

  #now(request: number, arg: bigint, call: string): void {
    const result = this.process.call(this.fd, request, arg);
    if (typeof result !== "number") bug("BUG_CALL_SLEPT", `${call} had to sleep`);
    checked(result, call, this.process, this.fd);
  }

  async #ioctl(request: number, arg: bigint, call: string): Promise<number> {
    return checked(await this.process.call(this.fd, request, arg), call, this.process, this.fd);
  }
}

export interface Ioeventfd {
  readonly fd: number;
  readonly address: Ipa;
  readonly length: 0 | 1 | 2 | 4 | 8;
  readonly datamatch?: bigint;
}

function irqfdArg(fd: number, label: number, flags: number): Uint8Array {
  return FnIrqfdArg.encode({ fd, label, flags, padding: 0 });
}

function ioeventfdArg(arg: Ioeventfd): Uint8Array {
  return FnIoeventfdArg.encode({
    datamatch: arg.datamatch ?? 0n,
    addr: BigInt(arg.address),
    len: arg.length,
    fd: arg.fd,
    flags: arg.datamatch === undefined ? 0 : IoeventfdFlag.DATAMATCH,
    padding: 0,
  });
}

/** Whether an error is a HostCallError with this errno (positive, see LinuxErrno of @gunyah-ts/abi). */
export function isErrno(error: unknown, errno: number): boolean {
  return (error as { errno?: number } | undefined)?.errno === -errno;
}
