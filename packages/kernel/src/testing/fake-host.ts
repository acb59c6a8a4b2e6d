/** The host kernel's inside as its modules see it: enough truth to test a VM function without a hypervisor. */
import type { CapId, Intid, Ipa } from "../contracts/address.ts";
import type { EventFd } from "../contracts/eventfd.ts";
import type {
  Errno,
  GunyahResource,
  HostFile,
  HostKernel,
  HostVm,
  Hypercalls,
  IoHandler,
  ResourceTicket,
  VcpuRunResult,
} from "../contracts/host.ts";
import { createEventFd } from "../soc/eventfd.ts";

const ENOENT = 2;
const EBADF = 9;
const EBUSY = 16;
const EEXIST = 17;
const EINVAL = 22;
const EMFILE = 24;

/** An eventfd; what everybody uses, because it has no dependencies to fake. */
export function fakeEventFd(initial = 0n): EventFd {
  return createEventFd(initial);
}

export interface FakeHypercalls extends Hypercalls {
  /** Flags of each doorbell that exists. A call on another capability answers CSPACE_CAP_NULL (50). */
  readonly bells: Map<CapId, { flags: bigint; enableMask: bigint; ackMask: bigint }>;
  /** What vcpu_run reports, oldest first; state READY (0) when empty. */
  readonly runs: Partial<FakeRun>[];
  /** Every call, oldest first. */
  readonly calls: { readonly name: string; readonly args: readonly bigint[] }[];
}
export interface FakeRun {
  readonly error: number;
  readonly state: number;
  readonly data: readonly [bigint, bigint, bigint];
}

export function fakeHypercalls(): FakeHypercalls {
  const bells: FakeHypercalls["bells"] = new Map();
  const runs: Partial<FakeRun>[] = [];
  const calls: { name: string; args: bigint[] }[] = [];
  const result = new FakeRunResult();
  return {
    bells,
    runs,
    calls,
    bellSend(bell, newFlags) {
      calls.push({ name: "bell_send", args: [bell, newFlags] });
      const state = bells.get(bell);
      if (state === undefined) return { error: 50, oldFlags: 0n };
      const oldFlags = state.flags;
      state.flags |= newFlags;
      return { error: 0, oldFlags };
    },
    bellSetMask(bell, enableMask, ackMask) {
      calls.push({ name: "bell_set_mask", args: [bell, enableMask, ackMask] });
      const state = bells.get(bell);
      if (state === undefined) return { error: 50 };
      state.enableMask = enableMask;
      state.ackMask = ackMask;
      return { error: 0 };
    },
    vcpuRun(vcpu, resume0, resume1, resume2) {
      calls.push({ name: "vcpu_run", args: [vcpu, resume0, resume1, resume2] });
      const { error = 0, state = 0, data = [0n, 0n, 0n] } = runs.shift() ?? {};
      return result.set(error, state, data);
    },
  };
}

class FakeRunResult implements VcpuRunResult {
  error = 0;
  state = 0;
  data0 = 0n;
  data1 = 0n;
  data2 = 0n;

  set(error: number, state: number, [data0, data1, data2]: readonly [bigint, bigint, bigint]): this {
    Object.assign(this, { error, state, data0, data1, data2 });
    return this;
  }
  get address(): Ipa {
    return Number(this.data0);
  }
  get size(): number {
    return Number(this.data1 & 0xffff_ffffn);
  }
  get data2Low(): number {
    return Number(this.data2 & 0xffff_ffffn);
  }
  get data2High(): number {
    return Number((this.data2 >> 32n) & 0xffff_ffffn);
  }
}

export interface FakeHostVm extends HostVm {
  vmid: number;
  status: HostVm["status"];
  exitInfo: HostVm["exitInfo"];
  readonly tickets: readonly ResourceTicket[];
  readonly ioHandlers: readonly IoHandler[];
  /** Starts at 1. */
  readonly references: number;
  /** Pages that `demandPage` was asked for; `demandResult` is the answer. */
  readonly demanded: { readonly gpa: Ipa; readonly write: boolean }[];
  demandResult: Errno;
  /** The RM reported a resource: offer it to the ticket of its type and label. @returns whether it was taken */
  populate(resource: GunyahResource): boolean;
  /** The VM is reset: take every populated resource back. */
  unpopulate(): void;
  /** What `settled` answers. */
  starting: Promise<void> | undefined;
  /** VM_EXITED arrives. */
  exit(type: number, reason?: Uint8Array): void;
}

export function fakeHostVm(vmid = 45): FakeHostVm {
  return new RecordingHostVm(vmid);
}

class RecordingHostVm implements FakeHostVm {
  vmid: number;
  status: HostVm["status"] = "NO_STATE";
  exitInfo: HostVm["exitInfo"] = { type: 0, reasonSize: 0, reason: new Uint8Array(0) };
  starting: Promise<void> | undefined;
  readonly demanded: { readonly gpa: Ipa; readonly write: boolean }[] = [];
  demandResult: Errno = 0;
  tickets: ResourceTicket[] = [];
  ioHandlers: IoHandler[] = [];
  references = 1;
  readonly #populated = new Map<ResourceTicket, GunyahResource>();
  readonly #exitListeners = new Set<() => void>();

  constructor(vmid: number) {
    this.vmid = vmid;
  }

  settled(): Promise<void> | undefined {
    return this.starting;
  }

  addResourceTicket(ticket: ResourceTicket): Errno {
    const { type, label } = ticket;
    if (this.tickets.some((other) => other.type === type && other.label === label)) return -EEXIST;
    this.tickets.push(ticket);
    return 0;
  }

  removeResourceTicket(ticket: ResourceTicket): void {
    const resource = this.#populated.get(ticket);
    if (resource !== undefined) ticket.unpopulate(resource);
    this.#populated.delete(ticket);
    this.tickets = this.tickets.filter((other) => other !== ticket);
  }

  addIoHandler(handler: IoHandler): Errno {
    if (![0, 1, 2, 4, 8].includes(handler.length)) return -EINVAL;
    if (this.ioHandlers.some((other) => conflicts(other, handler))) return -EEXIST;
    this.ioHandlers.push(handler);
    return 0;
  }

  removeIoHandler(handler: IoHandler): void {
    this.ioHandlers = this.ioHandlers.filter((other) => other !== handler);
  }

  mmioWrite(address: Ipa, length: number, low: number, high: number): Errno {
    const bits = BigInt(length) * 8n;
    const written = BigInt.asUintN(Number(bits), (BigInt(high) << 32n) | BigInt(low));
    const handler = this.ioHandlers.find(
      ({ address: at, length: size, datamatch }) =>
        at === address &&
        (size === 0 ||
          (size === length && (datamatch === undefined || BigInt.asUintN(Number(bits), datamatch) === written))),
    );
    return handler?.write(address, length, low, high) === true ? 0 : -ENOENT;
  }

  demandPage(gpa: Ipa, write: boolean): Errno {
    this.demanded.push({ gpa, write });
    return this.demandResult;
  }

  onExited(listener: () => void): () => void {
    this.#exitListeners.add(listener);
    return () => this.#exitListeners.delete(listener);
  }

  get(): void {
    this.references++;
  }

  put(): void {
    this.references--;
  }

  populate(resource: GunyahResource): boolean {
    const ticket = this.tickets.find(({ type, label }) => type === resource.type && label === resource.label);
    if (ticket === undefined || this.#populated.has(ticket) || !ticket.populate(resource)) return false;
    this.#populated.set(ticket, resource);
    return true;
  }

  unpopulate(): void {
    for (const [ticket, resource] of this.#populated) ticket.unpopulate(resource);
    this.#populated.clear();
  }

  exit(type: number, reason = new Uint8Array(0)): void {
    this.status = "EXITED";
    this.exitInfo = { type, reasonSize: reason.length, reason };
    for (const listener of [...this.#exitListeners]) listener();
  }
}

/** Two handlers of one address conflict unless both ask for different data of the same length. */
function conflicts(a: IoHandler, b: IoHandler): boolean {
  if (a.address !== b.address) return false;
  if (a.length === 0 || b.length === 0) return true;
  return (
    a.length === b.length && (a.datamatch === undefined || b.datamatch === undefined || a.datamatch === b.datamatch)
  );
}

export interface FakeHostKernel extends HostKernel {
  /** Give an eventfd (or any file) a descriptor. */
  open(file: EventFd | "other"): number;
  /** Descriptors of `anonFd`. */
  readonly files: ReadonlyMap<number, { readonly name: string; readonly file: HostFile }>;
  /** The last reference of a descriptor goes. */
  close(fd: number): void;
  /** A host interrupt fires. @returns whether anyone had requested it */
  interrupt(intid: Intid): boolean;
  readonly irqs: ReadonlySet<Intid>;
  readonly messages: { readonly level: string; readonly message: string }[];
  /** Pages of `allocPage` that were not given back. */
  readonly livePages: number;
  /** `yield` clears it. */
  needResched: boolean;
  /** Calls of `yield`. */
  readonly yields: number;
  /** `anonFd` answers -EMFILE while true. */
  outOfFiles: boolean;
}

export function fakeHostKernel(): FakeHostKernel {
  const eventfds = new Map<number, EventFd | "other">();
  const files = new Map<number, { name: string; file: HostFile }>();
  const handlers = new Map<Intid, () => void>();
  const messages: { level: string; message: string }[] = [];
  let nextFd = 3;
  let livePages = 0;
  let yields = 0;
  const kernel: FakeHostKernel = {
    abi: "v17",
    files,
    messages,
    needResched: false,
    outOfFiles: false,
    get irqs() {
      return new Set(handlers.keys());
    },
    get livePages() {
      return livePages;
    },
    get yields() {
      return yields;
    },
    open(file) {
      const fd = nextFd++;
      eventfds.set(fd, file);
      return fd;
    },
    eventfd(fd) {
      const file = eventfds.get(fd) ?? (files.has(fd) ? "other" : undefined);
      if (file === undefined) return -EBADF;
      return file === "other" ? -EINVAL : file;
    },
    anonFd(name, file) {
      if (kernel.outOfFiles) return -EMFILE;
      const fd = nextFd++;
      files.set(fd, { name, file });
      return fd;
    },
    close(fd) {
      eventfds.delete(fd);
      const open = files.get(fd);
      files.delete(fd);
      open?.file.release?.();
    },
    allocPage() {
      livePages++;
      let free = false;
      return {
        bytes: new Uint8Array(4096),
        address: 0x8000_0000 + livePages * 4096,
        free() {
          if (!free) livePages--;
          free = true;
        },
      };
    },
    smc(x) {
      x[0] = 0xffff_ffff_ffff_ffffn;
    },
    requestIrq(intid, handler) {
      if (handlers.has(intid)) return -EBUSY;
      handlers.set(intid, handler);
      return () => handlers.delete(intid);
    },
    interrupt(intid) {
      const handler = handlers.get(intid);
      handler?.();
      return handler !== undefined;
    },
    tick() {
      kernel.needResched = true;
    },
    yield() {
      yields++;
      kernel.needResched = false;
      return Promise.resolve();
    },
    sleep() {
      let wake = () => {};
      const done = new Promise<void>((resolve) => {
        wake = resolve;
      });
      return { done, wake };
    },
    log: (level, message) => void messages.push({ level, message }),
  };
  return kernel;
}
