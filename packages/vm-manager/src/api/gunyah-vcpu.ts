import { GunyahIoctl, LinuxErrno, VcpuRunPage } from "@gunyah-ts/abi";
import type { HostProcess, Ipa } from "@gunyah-ts/kernel";
import { checked, HostCallError } from "./host-error.ts";
import { ExitReason, type ResumeAction, type VmStatus } from "./uapi.ts";

/**
 * Why VCPU_RUN came back: one object per vCPU, whose properties read the run page when asked. It tells about the
 * latest run only; copy what must outlive the next one. `reason` is `ExitReason`, INTERRUPTED for EINTR.
 */
export class VcpuExit {
  readonly page: VcpuRunPage;
  /** See ExitReason. */
  reason: ExitReason = ExitReason.UNKNOWN;

  constructor(page: VcpuRunPage) {
    this.page = page;
  }

  /** MMIO, PAGE_FAULT: IPA of the access, bytes. */
  get address(): Ipa {
    return this.page.physAddr;
  }
  /** MMIO: bytes, 1 to 8. */
  get length(): number {
    return this.page.mmioLength;
  }
  /** MMIO: the guest stored. */
  get isWrite(): boolean {
    return this.page.mmioIsWrite;
  }
  /** MMIO: the 8 data bytes, live. A store's value is there; a load's goes there before the next run. */
  get data(): Uint8Array {
    return this.page.mmioData;
  }
  /** MMIO: data[0..4) as an unsigned number, cut to the access length. For accesses of up to 4 bytes. */
  get value(): number {
    const { bytes } = this.page;
    const length = this.length;
    let value = bytes[24] as number;
    if (length > 1) value |= (bytes[25] as number) << 8;
    if (length > 2) value |= ((bytes[26] as number) << 16) | ((bytes[27] as number) << 24);
    return value >>> 0;
  }
  /** MMIO load: what the guest gets, up to 32 bits, zero-extended. */
  set value(value: number) {
    const { bytes } = this.page;
    bytes[24] = value;
    bytes[25] = value >>> 8;
    bytes[26] = value >>> 16;
    bytes[27] = value >>> 24;
    bytes.fill(0, 28, 32);
  }
  /** MMIO: data as 64 bits. */
  get value64(): bigint {
    return this.page.mmioValue;
  }
  set value64(value: bigint) {
    this.page.mmioValue = value;
  }
  /** MMIO: what the next run does with the access. The driver presets HANDLED (v16 on). */
  set resumeAction(action: ResumeAction) {
    if (this.reason === ExitReason.PAGE_FAULT) this.page.pageFaultResumeAction = action;
    else this.page.mmioResumeAction = action;
  }
  /** PAGE_FAULT: negative errno of the driver's own try to give the page. */
  get attempt(): number {
    return this.page.pageFaultAttempt;
  }
  /** STATUS: see VmStatus. */
  get status(): VmStatus {
    return this.page.status as VmStatus;
  }
  /** STATUS: RM's exit type, see VmExitType. */
  get exitType(): number {
    return this.page.exitType;
  }
  /** STATUS: bytes of exit information that RM gave; at most 8 of them are in `exitReason`. */
  get exitReasonSize(): number {
    return this.page.exitReasonSize;
  }
  /** STATUS: 8 bytes, live. */
  get exitReason(): Uint8Array {
    return this.page.exitReasonBytes;
  }
}

/**
 * A vCPU file descriptor and its run page.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_vcpu.c
 */
export class GunyahVcpu {
  readonly process: HostProcess;
  readonly fd: number;
  readonly id: number;
  /** The run page, shared with the driver. */
  readonly page: VcpuRunPage;
  readonly #address: bigint;
  readonly #exit: VcpuExit;

  private constructor(process: HostProcess, fd: number, id: number, address: bigint, page: VcpuRunPage) {
    this.process = process;
    this.fd = fd;
    this.id = id;
    this.page = page;
    this.#address = address;
    this.#exit = new VcpuExit(page);
  }

  /** VCPU_MMAP_SIZE and mmap of a descriptor that ADD_FUNCTION gave. */
  static async attach(process: HostProcess, fd: number, id: number): Promise<GunyahVcpu> {
    const size = checked(await process.ioctl(fd, GunyahIoctl.VCPU_MMAP_SIZE, 0n), "GUNYAH_VCPU_MMAP_SIZE", process, fd);
    const address = process.mmap(fd, 0, size, { shared: true });
    if (address < 0n) throw new HostCallError("mmap", Number(address), process.diagnose(fd));
    const page = process.bytes(address, 4096, "rw");
    if (page === undefined) throw new HostCallError("load", -LinuxErrno.EFAULT);
    return new GunyahVcpu(process, fd, id, address, new VcpuRunPage(page));
  }

  /**
   * GUNYAH_VCPU_RUN until the guest needs the VMM. The exit object is the same every time.
   * EINTR (immediate exit) is an exit with reason INTERRUPTED; any other error throws.
   */
  async run(): Promise<VcpuExit> {
    return this.#finish(await this.process.call(this.fd, GunyahIoctl.VCPU_RUN, 0n));
  }

  /**
   * Run until `handle` answers true. An exit that came without sleeping is handed over without a Promise, so a guest
   * that accesses a device often costs no turn of the event loop.
   *
   * @param handle may answer with a Promise; it is awaited before the next run
   */
  async serve(handle: (exit: VcpuExit) => boolean | void | Promise<boolean | void>): Promise<void> {
    for (;;) {
      const result = this.process.call(this.fd, GunyahIoctl.VCPU_RUN, 0n);
      const exit = this.#finish(typeof result === "number" ? result : await result);
      const answer = handle(exit);
      if ((answer instanceof Promise ? await answer : answer) === true) return;
    }
  }

  #finish(result: number): VcpuExit {
    const exit = this.#exit;
    if (result === 0) {
      exit.reason = this.page.exitReason as ExitReason;
    } else if (result === -LinuxErrno.EINTR || result === -LinuxErrno.ERESTARTSYS) {
      exit.reason = ExitReason.INTERRUPTED;
    } else {
      throw new HostCallError("GUNYAH_VCPU_RUN", result, this.process.diagnose(this.fd));
    }
    return exit;
  }

  /**
   * The run page's immediate_exit: the next run, and a run that comes past its check, returns INTERRUPTED.
   * It does not wake a run that sleeps; `kick` does.
   */
  set immediateExit(on: boolean) {
    this.page.immediateExit = on ? 1 : 0;
  }

  /** What pthread_kill does to a vCPU thread: a run that sleeps ends with INTERRUPTED. */
  kick(): void {
    this.immediateExit = true;
    this.process.signal(this.fd);
  }

  /** munmap and close. */
  async close(): Promise<void> {
    this.process.munmap(this.#address, 4096);
    checked(await this.process.close(this.fd), "close", this.process, -1);
  }
}
