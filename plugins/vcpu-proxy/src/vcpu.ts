import {
  type AbiProfile,
  GunyahError,
  GunyahIoctl,
  GunyahResourceType,
  gunyahErrorName,
  gunyahErrorToErrno,
  LinuxErrno,
  VCPU_RUN_PAGE_SIZE,
  VcpuExit,
  VcpuPageResume,
  VcpuResumeAction,
  VcpuRunPage,
  VcpuRunState,
  VmStatus,
} from "@gunyah-ts/abi";
import type {
  Errno,
  GunyahResource,
  HostFile,
  HostKernel,
  HostVm,
  Hypercalls,
  LayerError,
  ResourceTicket,
} from "@gunyah-ts/kernel";

export type VcpuKernel = Pick<
  HostKernel,
  "allocPage" | "anonFd" | "requestIrq" | "needResched" | "tick" | "yield" | "sleep" | "log"
>;
export type VcpuCalls = Pick<Hypercalls, "vcpuRun">;

/** Where userspace left the vCPU. */
const State = { UNKNOWN: 0, READY: 1, MMIO_READ: 2, MMIO_WRITE: 3, SYSTEM_DOWN: 4 } as const;
type State = (typeof State)[keyof typeof State];

/** What one pass of the run loop asks for next. Negative numbers are errno, 0 is an exit to userspace. */
const Next = { AGAIN: 1, YIELD: 2, SLEEP: 3, CHECK: 4 } as const;

/** Hypervisor actions by word, so that a run makes no BigInt. */
const RETRY = BigInt(VcpuResumeAction.RETRY);
const FAULT = BigInt(VcpuResumeAction.FAULT);

/**
 * A vCPU that the host schedules: its run page, its file, and the loop of VCPU_RUN.
 *
 * The loop is plain code while nothing has to wait: a page fault that is served, or a store that an ioeventfd takes,
 * goes from hypercall to hypercall without a Promise.
 *
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_vcpu.c
 */
export class Vcpu implements HostFile, ResourceTicket {
  readonly kind: string;
  readonly type = GunyahResourceType.VCPU;
  /** vCPU id: index of the CPU node in the guest's device tree. */
  readonly label: number;
  readonly vm: HostVm;
  readonly #kernel: VcpuKernel;
  readonly #hypercalls: VcpuCalls;
  readonly #profile: AbiProfile;
  readonly #page: { readonly bytes: Uint8Array; free(): void };
  readonly #run: VcpuRunPage;
  #state: State = State.UNKNOWN;
  #resource: GunyahResource | undefined;
  #freeIrq: (() => void) | undefined;
  /** The function was removed. */
  #gone = false;
  /** References of the instance and of the file. */
  #refs = 1;
  /** The completion "ready": wakes that came before a wait. */
  #ready = 0;
  #wake: (() => void) | undefined;
  #signalled = false;
  /** run_lock. */
  #running = false;
  readonly #lockQueue: (() => void)[] = [];
  #mmioAddress = 0;
  #resume0 = 0n;
  #resume1 = 0n;
  #lastErrors: readonly LayerError[] = [];

  constructor(
    kernel: VcpuKernel,
    hypercalls: VcpuCalls,
    profile: AbiProfile,
    vm: HostVm,
    id: number,
    page: { readonly bytes: Uint8Array; free(): void },
  ) {
    this.#kernel = kernel;
    this.#hypercalls = hypercalls;
    this.#profile = profile;
    this.vm = vm;
    this.label = id;
    this.kind = `gh-vcpu:${id}`;
    this.#page = page;
    this.#run = new VcpuRunPage(page.bytes);
  }

  /** The file takes a reference of its own, and one of the VM. */
  opened(): void {
    this.#refs++;
    this.vm.get();
  }

  /** The last descriptor and mapping are gone. */
  release(): void {
    this.put();
    this.vm.put();
  }

  put(): void {
    if (--this.#refs === 0) this.#page.free();
  }

  /** The function is removed: later runs are -ENODEV. */
  remove(): void {
    this.#gone = true;
    this.vm.removeResourceTicket(this);
    this.put();
  }

  /** Takes one vCPU; refuses it when its wake-up interrupt cannot be had. */
  populate(resource: GunyahResource): boolean {
    if (this.#resource !== undefined) {
      this.#kernel.log("warn", `vCPU ${this.label}: already has a resource`);
      return false;
    }
    if (resource.intid !== undefined) {
      const irq = this.#kernel.requestIrq(resource.intid, this.complete);
      if (typeof irq === "number") {
        this.#kernel.log("warn", `vCPU ${this.label}: failed to request interrupt ${resource.intid}, ${irq}`);
        return false;
      }
      this.#freeIrq = irq;
    }
    this.#resource = resource;
    return true;
  }

  unpopulate(): void {
    // Whoever runs sees this before the next hypercall, so the capability is not used any more.
    this.#run.immediateExit = 1;
    this.complete();
    this.#freeIrq?.();
    this.#freeIrq = undefined;
    this.#resource = undefined;
  }

  /** The wake-up interrupt, and VM_EXITED. A wake that comes before the wait is kept. */
  readonly complete = (): void => {
    this.#ready++;
    this.#wake?.();
  };

  signal(): void {
    if (!this.#running) return;
    this.#signalled = true;
    this.#wake?.();
  }

  diagnosis(): readonly LayerError[] {
    return this.#lastErrors;
  }

  /** Any length: pages beyond the first are SIGBUS. */
  mmap(): Uint8Array {
    return this.#page.bytes;
  }

  ioctl(request: number): Errno | Promise<Errno> {
    switch (request) {
      case GunyahIoctl.VCPU_RUN:
        return this.run();
      case GunyahIoctl.VCPU_MMAP_SIZE:
        return VCPU_RUN_PAGE_SIZE;
      default:
        return -LinuxErrno.ENOTTY;
    }
  }

  /** VCPU_RUN. At once when the guest needed nothing that sleeps. */
  run(): Errno | Promise<Errno> {
    if (this.#gone) return -LinuxErrno.ENODEV;
    if (this.#running) return this.#runLater();
    return this.#runLocked();
  }

  async #runLater(): Promise<Errno> {
    while (this.#running) {
      const sleep = this.#kernel.sleep();
      this.#lockQueue.push(sleep.wake);
      await sleep.done;
    }
    return this.#gone ? -LinuxErrno.ENODEV : this.#runLocked();
  }

  #runLocked(): Errno | Promise<Errno> {
    if (this.#resource === undefined) return this.#unlockWith(-LinuxErrno.ENODEV);
    this.#running = true;
    this.#signalled = false;
    switch (this.#state) {
      case State.UNKNOWN: {
        // A start that is under way in another thread has the last word on whether the VM runs.
        const starting = this.vm.settled();
        return starting === undefined ? this.#runFirst() : starting.then(() => this.#runFirst());
      }
      case State.MMIO_READ:
      case State.MMIO_WRITE: {
        const error = this.#profile.resumeAction ? this.#applyResume() : this.#applyValue();
        if (error !== 0) return this.#unlockWith(error);
        this.#state = State.READY;
        break;
      }
      case State.SYSTEM_DOWN:
        return this.#unlockWith(0);
      default:
        break;
    }
    return this.#enter();
  }

  /** The first run of a vCPU finds out whether the VM runs at all. */
  #runFirst(): Errno | Promise<Errno> {
    if (this.#isDown()) return this.#unlockWith(0);
    this.#state = State.READY;
    return this.#enter();
  }

  #enter(): Errno | Promise<Errno> {
    const next = this.#spin();
    return next <= 0 ? this.#exit(next) : this.#loop(next);
  }

  /** The loop from where it has to wait. */
  async #loop(first: number): Promise<Errno> {
    for (let next = first; ; next = this.#spin()) {
      if (next <= 0) return this.#exit(next);
      if (next === Next.SLEEP) {
        await this.#waitReady();
        if (!this.#signalled && this.#isDown()) return this.#unlockWith(0);
      } else {
        await this.#kernel.yield();
      }
    }
  }

  async #waitReady(): Promise<void> {
    while (this.#ready === 0 && !this.#signalled) {
      const sleep = this.#kernel.sleep();
      this.#wake = sleep.wake;
      await sleep.done;
      this.#wake = undefined;
    }
    // reinit_completion
    this.#ready = 0;
  }

  /** Hypercall after hypercall until something has to wait or userspace is needed. @returns Next, 0 or -errno */
  #spin(): number {
    const kernel = this.#kernel;
    for (;;) {
      if (this.#signalled) return -LinuxErrno.ERESTARTSYS;
      if (this.#run.immediateExit !== 0) return -LinuxErrno.EINTR;
      const resource = this.#resource;
      if (resource === undefined) return -LinuxErrno.ENODEV;
      const next = this.#step(resource);
      if (next !== Next.AGAIN) return next;
      if (kernel.needResched) return Next.YIELD;
    }
  }

  #step(resource: GunyahResource): number {
    const result = this.#hypercalls.vcpuRun(resource.capId, this.#resume0, this.#resume1, 0n);
    const { error } = result;
    if (error !== GunyahError.OK) {
      if (error === GunyahError.RETRY) {
        if (!this.#profile.keepResumeDataOnRetry) this.#clearResume();
        return Next.YIELD;
      }
      this.#clearResume();
      this.#lastErrors = [
        { layer: "hypervisor", value: error, code: gunyahErrorName(error), detail: `vcpu_run of vCPU ${this.label}` },
      ];
      return gunyahErrorToErrno(error);
    }
    this.#clearResume();
    switch (result.state) {
      case VcpuRunState.READY:
        this.#kernel.tick();
        return Next.AGAIN;
      case VcpuRunState.POWERED_OFF:
        return this.#isDown() ? 0 : Next.SLEEP;
      case VcpuRunState.EXPECTS_WAKEUP:
        return Next.SLEEP;
      case VcpuRunState.BLOCKED:
        return Next.YIELD;
      case VcpuRunState.ADDRSPACE_VMMIO_READ:
        return this.#mmioRead(result.address, result.size);
      case VcpuRunState.ADDRSPACE_VMMIO_WRITE:
        return this.#mmioWrite(result.address, result.size, result.data2Low, result.data2High);
      case VcpuRunState.ADDRSPACE_PAGE_FAULT:
        return this.#pageFault(result.address, result.size !== 0);
      default:
        this.#kernel.log("warn", `vCPU ${this.label}: unknown state 0x${result.state.toString(16)}`);
        return Next.YIELD;
    }
  }

  #mmioRead(address: number, size: number): number {
    if (this.#tryDemandPage(address)) return Next.AGAIN;
    const run = this.#run;
    run.mmioIsWrite = false;
    this.#state = State.MMIO_READ;
    return this.#mmioExit(address, Math.min(size, 8));
  }

  #mmioWrite(address: number, size: number, low: number, high: number): number {
    if (this.#tryDemandPage(address)) return Next.AGAIN;
    const length = Math.min(size, 8);
    // Handled: the resume words are all zero, which is EMULATE.
    if (this.vm.mmioWrite(address, length, low, high) === 0) return Next.AGAIN;
    const { bytes } = this.#run;
    for (let i = 0; i < length; i++) bytes[24 + i] = (i < 4 ? low : high) >>> (8 * (i & 3));
    this.#run.mmioIsWrite = true;
    this.#state = State.MMIO_WRITE;
    return this.#mmioExit(address, length);
  }

  #mmioExit(address: number, length: number): number {
    const run = this.#run;
    if (this.#profile.presetResumeAction) run.mmioResumeAction = VcpuPageResume.HANDLED;
    run.physAddr = address;
    run.mmioLength = length;
    run.exitReason = VcpuExit.MMIO;
    this.#mmioAddress = address;
    return 0;
  }

  /**
   * Memory that is not there yet looks like a device inside a VMMIO range: try to give it first. The driver passes the
   * run page's is_write of the exit before, not of this access.
   */
  #tryDemandPage(address: number): boolean {
    if (!this.#profile.demandPaging) return false;
    const result = this.vm.demandPage(address, this.#run.mmioIsWrite);
    if (!this.#isServed(result)) return false;
    this.#resume1 = RETRY;
    return true;
  }

  #pageFault(address: number, write: boolean): number {
    const result = this.vm.demandPage(address, write);
    if (this.#isServed(result)) return Next.AGAIN;
    const run = this.#run;
    run.physAddr = address;
    run.pageFaultAttempt = result;
    run.pageFaultResumeAction = VcpuPageResume.FAULT;
    run.exitReason = VcpuExit.PAGE_FAULT;
    // No state is kept: the next run repeats the access, whatever resume_action says.
    return 0;
  }

  #isServed(result: Errno): boolean {
    return result === 0 || (result === -LinuxErrno.EAGAIN && this.#profile.demandPageAgainIsSuccess);
  }

  /** Userspace's answer to an MMIO exit as resume words. Its FAULT is 1 and RETRY 2, the hypervisor's the reverse. */
  #applyResume(): Errno {
    switch (this.#run.mmioResumeAction) {
      case VcpuPageResume.HANDLED:
        return this.#applyValue();
      case VcpuPageResume.FAULT:
        this.#resume1 = FAULT;
        return 0;
      case VcpuPageResume.RETRY:
        this.vm.demandPage(this.#mmioAddress, this.#run.mmioIsWrite);
        this.#resume1 = RETRY;
        return 0;
      default:
        return -LinuxErrno.EINVAL;
    }
  }

  #applyValue(): Errno {
    if (this.#state === State.MMIO_READ) {
      const length = this.#run.mmioLength;
      this.#resume0 = length >= 8 ? this.#run.mmioValue : BigInt.asUintN(8 * length, this.#run.mmioValue);
    }
    return 0;
  }

  #clearResume(): void {
    this.#resume0 = 0n;
    this.#resume1 = 0n;
  }

  /** check_system: a VM that is not RUNNING is a STATUS exit, for good. */
  #isDown(): boolean {
    const { status, exitInfo } = this.vm;
    if (status === "RUNNING") return false;
    const code =
      status === "INIT_FAILED" ? VmStatus.LOAD_FAILED : status === "EXITED" ? VmStatus.EXITED : VmStatus.CRASHED;
    this.#run.setStatus(code, exitInfo.type, exitInfo.reasonSize, exitInfo.reason);
    this.#state = State.SYSTEM_DOWN;
    return true;
  }

  /**
   * Back to userspace. A guest that needs userspace again and again is as long a work as any other, so the way out asks
   * need_resched too, with the lock given back, like the kernel's exit to user mode.
   */
  #exit(next: number): Errno | Promise<Errno> {
    const result = this.#unlockWith(next);
    return this.#kernel.needResched ? this.#kernel.yield().then(() => result) : result;
  }

  /** mutex_unlock, on every way out. A pending signal wins over the result. */
  #unlockWith(result: Errno): Errno {
    this.#running = false;
    const signalled = this.#signalled;
    this.#signalled = false;
    this.#lockQueue.shift()?.();
    return signalled ? -LinuxErrno.ERESTARTSYS : result;
  }
}
