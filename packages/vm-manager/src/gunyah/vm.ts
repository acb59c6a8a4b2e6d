import {
  bootContextIndex,
  bootContextSet,
  FN_MAX_ARG_SIZE,
  FnDesc,
  GunyahIoctl,
  LinuxErrno,
  MapMemArgs,
  MapMemFlag,
  toNumber,
  UserMemFlag,
  UserspaceMemoryRegion,
  VMID_INVALID,
  VmBootContext,
  VmDtbConfig,
} from "@gunyah-ts/abi";
import type {
  Errno,
  HostFile,
  HostVm,
  IoHandler,
  Ipa,
  LayerError,
  ResourceTicket,
  UserMemory,
} from "@gunyah-ts/kernel";
import type { HostKernelCore } from "../kernel/host-kernel.ts";
import { PAGE_SIZE } from "../mm/host-memory.ts";
import type { Process } from "../process/process.ts";
import type { Parcel } from "../rm/parcel.ts";
import type { RmClient } from "../rm/rm-client.ts";
import type { DtbParcel } from "./dtb-parcel.ts";
import { type FunctionDrivers, FunctionList } from "./functions.ts";
import { GuestMemfd } from "./guest-memfd.ts";
import { GuestMm } from "./guest-mm.ts";
import { IoHandlerTable } from "./io-handlers.ts";
import type { PlatformOps } from "./platform.ts";
import { ResourceTable } from "./resources.ts";
import { StatusLock } from "./status-lock.ts";
import { UserRegions } from "./user-regions.ts";
import { destroyVm } from "./vm-destroy.ts";
import { startVm } from "./vm-start.ts";

/** Where the driver may be made to fail. @returns true to fail here. */
export type FaultInjector = (point: string) => boolean;

/** What every VM of the driver shares. */
export interface GunyahDriver {
  readonly kernel: HostKernelCore;
  readonly rm: RmClient;
  readonly platform: PlatformOps;
  readonly functions: FunctionDrivers;
  readonly fault: FaultInjector | undefined;
  /** VMID of the host, from VM_GET_VMID, once. */
  hostVmid(): Promise<{ readonly errno: Errno; readonly vmid: number; readonly layers: readonly LayerError[] }>;
  vmCreated(vm: Vm): void;
  vmDestroyed(vm: Vm): void;
  vmState(vm: Vm): void;
}

const HUGE = 2 << 20;
const NO_REASON = new Uint8Array(8);

/**
 * A VM as the driver knows it: state, references, ioctls.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c
 */
export class Vm implements HostVm {
  readonly driver: GunyahDriver;
  readonly mm: GuestMm;
  readonly resources = new ResourceTable();
  readonly ioHandlers = new IoHandlerTable();
  readonly functions: FunctionList;
  /** v14: memory of the process, shared at start. */
  readonly regions = new UserRegions();
  /** Whose memory v14's regions are: the process that made the VM. */
  readonly owner: Process | undefined;
  readonly #exitListeners = new Set<() => void>();
  #refs = 1;
  #status: HostVm["status"] = "NO_STATE";
  vmid: number = VMID_INVALID;
  exitInfo: HostVm["exitInfo"] = { type: 0, reasonSize: 0, reason: NO_REASON };
  dtbConfig = { gpa: 0, size: 0 };
  /** Register word to value. */
  readonly bootContext = new Map<number, bigint>();
  /** The device tree's parcel, from MEM_LEND on. */
  dtb: DtbParcel | undefined;
  /** v14: what was shared. */
  readonly regionParcels: Parcel[] = [];
  /** Ends listening to RM. */
  stopListening: (() => void) | undefined;
  /** Why the last call failed. */
  lastErrors: readonly LayerError[] = [];
  readonly statusLock: StatusLock;
  readonly #statusWaiters = new Set<() => void>();

  constructor(driver: GunyahDriver) {
    this.driver = driver;
    const { kernel, fault } = driver;
    this.owner = kernel.current;
    this.statusLock = new StatusLock(() => kernel.sleep());
    this.functions = new FunctionList(driver.functions);
    this.mm = new GuestMm({
      hypercalls: kernel.hypercalls,
      platform: driver.platform,
      profile: kernel.profile,
      vmid: () => this.vmid,
      fault: fault && (() => fault("host.alloc.gfn-tree")),
      onFault: (gpa, result) => {
        if (kernel.trace?.enabled === true)
          kernel.trace.emit({ kind: "host-fault", at: kernel.clock.now(), vmid: this.vmid, gpa, result });
      },
    });
    if (kernel.profile.demandPaging) for (const ticket of this.mmTickets) this.resources.addTicket(ticket);
    driver.vmCreated(this);
  }

  /** In the order in which destruction removes them. */
  get mmTickets(): readonly ResourceTicket[] {
    const { mm } = this;
    return [mm.addrspace, mm.hostShared, mm.hostPrivate, mm.guestShared, mm.guestPrivate];
  }

  get refs(): number {
    return this.#refs;
  }
  get(): void {
    this.#refs++;
  }
  put(): void {
    if (--this.#refs === 0) this.driver.kernel.defer(() => destroyVm(this));
  }

  get status(): HostVm["status"] {
    return this.#status;
  }
  /** Store a state, tell listeners and whoever waits for a change. */
  setStatus(status: HostVm["status"]): void {
    this.#status = status;
    this.driver.vmState(this);
    for (const wake of [...this.#statusWaiters]) wake();
  }
  /** Sleep until `until` accepts the status. */
  async waitStatus(until: (status: HostVm["status"]) => boolean): Promise<void> {
    while (!until(this.#status)) {
      const sleep = this.driver.kernel.sleep();
      this.#statusWaiters.add(sleep.wake);
      await sleep.done;
      this.#statusWaiters.delete(sleep.wake);
    }
  }

  onExited(listener: () => void): () => void {
    const entry = () => listener();
    this.#exitListeners.add(entry);
    return () => this.#exitListeners.delete(entry);
  }
  /** VM_EXITED came. */
  exited(type: number, reasonSize: number, reason: Uint8Array): void {
    const kept = new Uint8Array(8);
    kept.set(reason.subarray(0, Math.min(8, reasonSize)));
    this.exitInfo = { type, reasonSize, reason: kept };
    this.setStatus("EXITED");
    for (const listener of [...this.#exitListeners]) listener();
  }

  addResourceTicket(ticket: ResourceTicket): Errno {
    if (this.driver.fault?.("host.alloc.ticket") === true) return -LinuxErrno.ENOMEM;
    return this.resources.addTicket(ticket);
  }
  removeResourceTicket(ticket: ResourceTicket): void {
    this.resources.removeTicket(ticket);
  }
  addIoHandler(handler: IoHandler): Errno {
    if (this.driver.fault?.("host.alloc.io-handler") === true) return -LinuxErrno.ENOMEM;
    return this.ioHandlers.add(handler);
  }
  removeIoHandler(handler: IoHandler): void {
    this.ioHandlers.remove(handler);
  }
  mmioWrite(address: Ipa, length: number, low: number, high: number): Errno {
    return this.ioHandlers.write(address, length, low, high);
  }
  demandPage(gpa: Ipa, write: boolean): Errno {
    return this.mm.demandPage(gpa, write);
  }

  settled(): Promise<void> | undefined {
    return this.statusLock.run(() => undefined) as Promise<void> | undefined;
  }

  ioctl(request: number, arg: bigint, user: UserMemory): Errno | Promise<Errno> {
    this.lastErrors = [];
    const { guestMemoryFds, demandPaging } = this.driver.kernel.profile;
    switch (request) {
      case GunyahIoctl.VM_SET_DTB_CONFIG:
        return this.#setDtbConfig(arg, user);
      case GunyahIoctl.VM_START:
        return startVm(this);
      case GunyahIoctl.VM_ADD_FUNCTION:
        return this.#addFunction(arg, user);
      case GunyahIoctl.VM_REMOVE_FUNCTION:
        return this.#removeFunction(arg, user);
      case GunyahIoctl.VM_MAP_MEM:
        return guestMemoryFds ? this.#mapMem(arg, user) : -LinuxErrno.ENOTTY;
      case GunyahIoctl.VM_SET_BOOT_CONTEXT:
        return demandPaging ? this.#setBootContext(arg, user) : -LinuxErrno.ENOTTY;
      case GunyahIoctl.VM_SET_USER_MEM_REGION:
        return guestMemoryFds ? -LinuxErrno.ENOTTY : this.#setUserMemRegion(arg, user);
      default:
        return -LinuxErrno.ENOTTY;
    }
  }

  #setDtbConfig(arg: bigint, user: UserMemory): Errno {
    const config = copy(user, arg, VmDtbConfig);
    if (config === undefined) return -LinuxErrno.EFAULT;
    if (config.guestPhysAddr + config.size > 0xffff_ffff_ffff_ffffn) return -LinuxErrno.EOVERFLOW;
    // Beyond 2^53 no binding can hold it, so start refuses it like any other address without a binding.
    this.dtbConfig = {
      gpa: toNumber(config.guestPhysAddr) ?? Number.MAX_SAFE_INTEGER,
      size: toNumber(config.size) ?? Number.MAX_SAFE_INTEGER,
    };
    return 0;
  }

  #setBootContext(arg: bigint, user: UserMemory): Errno | Promise<Errno> {
    const context = copy(user, arg, VmBootContext);
    if (context === undefined) return -LinuxErrno.EFAULT;
    const { reg, value } = context;
    // X, PC, SP. Index 31 of X and 2 of SP pass here; the hypervisor refuses them.
    const limit = [31, 0, 2][bootContextSet(reg)];
    if (limit === undefined || bootContextIndex(reg) > limit) return -LinuxErrno.EINVAL;
    const store = (): Errno => {
      if (this.#status !== "NO_STATE") return -LinuxErrno.EINVAL;
      if (this.driver.fault?.("host.alloc.boot-context") === true) return -LinuxErrno.ENOMEM;
      this.bootContext.set(reg & 0xffff, value);
      return 0;
    };
    return this.statusLock.run(store);
  }

  #addFunction(arg: bigint, user: UserMemory): Errno | Promise<Errno> {
    const desc = copy(user, arg, FnDesc);
    if (desc === undefined) return -LinuxErrno.EFAULT;
    if (desc.argSize > FN_MAX_ARG_SIZE) return -LinuxErrno.EINVAL;
    if (this.driver.fault?.("host.alloc.function") === true) return -LinuxErrno.ENOMEM;
    const bytes = user.copyFrom(desc.arg, desc.argSize);
    if (bytes === undefined) return -LinuxErrno.EFAULT;
    const { kernel } = this.driver;
    const { current } = kernel;
    const result = this.functions.add(this, desc.type, bytes, () => {
      kernel.current = current;
    });
    return typeof result === "number" ? this.#traceFunction(desc.type, "bind", result) : result;
  }

  #removeFunction(arg: bigint, user: UserMemory): Errno {
    const desc = copy(user, arg, FnDesc);
    if (desc === undefined) return -LinuxErrno.EFAULT;
    if (this.driver.fault?.("host.alloc.function") === true) return -LinuxErrno.ENOMEM;
    if (desc.argSize === 0 && !this.driver.kernel.profile.removeEmptyArgIsEnoent) return 0;
    const bytes = user.copyFrom(desc.arg, desc.argSize);
    if (bytes === undefined) return -LinuxErrno.EFAULT;
    const removed = this.functions.remove(desc.type, bytes);
    return this.#traceFunction(desc.type, "unbind", removed === 0 ? -LinuxErrno.ENOENT : 0);
  }

  #traceFunction(type: number, action: "bind" | "unbind", result: Errno): Errno {
    const { trace, clock } = this.driver.kernel;
    if (trace?.enabled === true)
      trace.emit({ kind: "vm-function", at: clock.now(), vmid: this.vmid, type, action, label: result });
    return result;
  }

  #mapMem(arg: bigint, user: UserMemory): Errno {
    const args = copy(user, arg, MapMemArgs);
    if (args === undefined) return -LinuxErrno.EFAULT;
    const open = this.driver.kernel.current?.fileOf(args.guestMemFd);
    if (open === undefined || !(open.file instanceof GuestMemfd)) return -LinuxErrno.EINVAL;
    const memfd = open.file;
    const { flags } = args;
    const known = MapMemFlag.ACCESS_MASK | MapMemFlag.ALLOW_RWX | MapMemFlag.UNMAP;
    if ((flags & ~known) !== 0) return -LinuxErrno.EINVAL;
    if ((flags & MapMemFlag.ALLOW_RWX) === 0) return -LinuxErrno.EINVAL;
    if ((flags & MapMemFlag.ACCESS_MASK) > MapMemFlag.FORCE_SHARE) return -LinuxErrno.EINVAL;
    const alignment = BigInt(memfd.hugePages ? HUGE : PAGE_SIZE);
    if (args.guestAddr % alignment !== 0n || args.offset % alignment !== 0n || args.size % alignment !== 0n)
      return -LinuxErrno.EINVAL;
    const gpa = toNumber(args.guestAddr);
    const offset = toNumber(args.offset);
    const size = toNumber(args.size);
    if (gpa === undefined || offset === undefined || size === undefined) return -LinuxErrno.EINVAL;

    const gfn = gpa / PAGE_SIZE;
    const first = offset / PAGE_SIZE;
    const count = size / PAGE_SIZE;
    if ((flags & MapMemFlag.UNMAP) !== 0) {
      const result = this.mm.unbind(memfd, flags & ~MapMemFlag.UNMAP, gfn, first, count);
      if (result !== 0) this.lastErrors = this.driver.kernel.takeHypervisorError();
      return result;
    }
    if (this.driver.fault?.("host.alloc.binding") === true) return -LinuxErrno.ENOMEM;
    return this.mm.bind(memfd, open, flags, gfn, first, count);
  }

  #setUserMemRegion(arg: bigint, user: UserMemory): Errno {
    const region = copy(user, arg, UserspaceMemoryRegion);
    if (region === undefined) return -LinuxErrno.EFAULT;
    const process = this.driver.kernel.current;
    if (process === undefined || process !== this.owner) return -LinuxErrno.EPERM;
    const rwx = UserMemFlag.READ | UserMemFlag.WRITE | UserMemFlag.EXEC;
    if ((region.flags & ~rwx) !== 0) return -LinuxErrno.EINVAL;
    const page = BigInt(PAGE_SIZE);
    const { memorySize, userspaceAddr, guestPhysAddr } = region;
    if (memorySize === 0n || memorySize % page !== 0n || userspaceAddr % page !== 0n || guestPhysAddr % page !== 0n)
      return -LinuxErrno.EINVAL;
    if (guestPhysAddr + memorySize > 0xffff_ffff_ffff_ffffn) return -LinuxErrno.EOVERFLOW;
    const gpa = toNumber(guestPhysAddr) ?? Number.MAX_SAFE_INTEGER;
    const size = toNumber(memorySize) ?? Number.MAX_SAFE_INTEGER;
    if (this.regions.overlaps(region.label, gpa, size)) return -LinuxErrno.EEXIST;
    if (this.driver.fault?.("host.alloc.region") === true) return -LinuxErrno.ENOMEM;
    if (size / PAGE_SIZE > this.driver.kernel.memory.pages.totalPages) return -LinuxErrno.ENOMEM;
    const pages = process.memory.pin(Number(userspaceAddr), size);
    if (pages === undefined) return -LinuxErrno.EFAULT;
    this.regions.add({ label: region.label, flags: region.flags, gpa, size, pages });
    return 0;
  }
}

/** The VM's file: what CREATE_VM's descriptor names. */
export class VmFile implements HostFile {
  readonly kind = "gunyah-vm";
  readonly vm: Vm;

  constructor(vm: Vm) {
    this.vm = vm;
  }
  ioctl(request: number, arg: bigint, user: UserMemory): Errno | Promise<Errno> {
    return this.vm.ioctl(request, arg, user);
  }
  diagnosis(): readonly LayerError[] {
    return this.vm.lastErrors;
  }
  release(): void {
    this.vm.put();
  }
}

/** copy_from_user of a structure. */
export function copy<T>(
  user: UserMemory,
  address: bigint,
  codec: {
    readonly fixedSize: number | undefined;
    decode(bytes: Uint8Array): { ok: true; value: T } | { ok: false; code: string };
  },
): T | undefined {
  const bytes = user.copyFrom(address, codec.fixedSize ?? 0);
  if (bytes === undefined) return undefined;
  const decoded = codec.decode(bytes);
  return decoded.ok ? decoded.value : undefined;
}
