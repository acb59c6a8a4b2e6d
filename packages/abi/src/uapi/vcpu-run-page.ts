import { VcpuExit } from "./flags.ts";

/**
 * The page that a vCPU fd maps: `struct gunyah_vcpu_run`, as a live view. Both the driver and a VMM work on it at every
 * exit, so fields are loads and stores at fixed offsets rather than codec runs.
 * Source: Linux series v17, include/uapi/linux/gunyah.h, struct gunyah_vcpu_run
 */
export const VCPU_RUN_SIZE = 40;
export const VCPU_RUN_PAGE_SIZE = 4096;
/** Byte offsets in the page. The three groups of the union share bytes 16-39. */
export const VcpuRunOffset = {
  immediate_exit: 0,
  exit_reason: 8,
  mmio_phys_addr: 16,
  mmio_data: 24,
  mmio_len: 32,
  mmio_is_write: 36,
  mmio_resume_action: 37,
  status: 16,
  exit_info_type: 20,
  exit_info_reason_size: 24,
  exit_info_reason: 28,
  page_fault_phys_addr: 16,
  page_fault_attempt: 24,
  page_fault_resume_action: 28,
} as const;

const at = VcpuRunOffset;

export class VcpuRunPage {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** @param page at least 40 bytes; kept, not copied */
  constructor(page: Uint8Array) {
    this.bytes = page;
    this.#view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  }

  get immediateExit(): number {
    return this.#view.getUint8(at.immediate_exit);
  }
  set immediateExit(value: number) {
    this.#view.setUint8(at.immediate_exit, value);
  }
  /** A `VcpuExit` value. */
  get exitReason(): number {
    return this.#view.getUint32(at.exit_reason, true);
  }
  set exitReason(value: number) {
    this.#view.setUint32(at.exit_reason, value, true);
  }

  /** Guest physical address of an MMIO or PAGE_FAULT exit. A number: at most 2^52 - 1 on any arm64. */
  get physAddr(): number {
    return this.#view.getUint32(at.mmio_phys_addr, true) + this.#view.getUint32(at.mmio_phys_addr + 4, true) * 2 ** 32;
  }
  set physAddr(value: number) {
    this.#view.setUint32(at.mmio_phys_addr, value >>> 0, true);
    this.#view.setUint32(at.mmio_phys_addr + 4, Math.floor(value / 2 ** 32), true);
  }
  /** mmio.data, 8 bytes, live. */
  get mmioData(): Uint8Array {
    return this.bytes.subarray(at.mmio_data, at.mmio_data + 8);
  }
  /** mmio.data as one little-endian value. */
  get mmioValue(): bigint {
    return this.#view.getBigUint64(at.mmio_data, true);
  }
  set mmioValue(value: bigint) {
    this.#view.setBigUint64(at.mmio_data, value, true);
  }
  get mmioLength(): number {
    return this.#view.getUint32(at.mmio_len, true);
  }
  set mmioLength(value: number) {
    this.#view.setUint32(at.mmio_len, value, true);
  }
  get mmioIsWrite(): boolean {
    return this.#view.getUint8(at.mmio_is_write) !== 0;
  }
  set mmioIsWrite(value: boolean) {
    this.#view.setUint8(at.mmio_is_write, value ? 1 : 0);
  }
  /** A `VcpuPageResume` value; v15 and later. */
  get mmioResumeAction(): number {
    return this.#view.getUint8(at.mmio_resume_action);
  }
  set mmioResumeAction(value: number) {
    this.#view.setUint8(at.mmio_resume_action, value);
  }

  /** A `VmStatus` value. */
  get status(): number {
    return this.#view.getUint32(at.status, true);
  }
  get exitType(): number {
    return this.#view.getUint16(at.exit_info_type, true);
  }
  get exitReasonSize(): number {
    return this.#view.getUint32(at.exit_info_reason_size, true);
  }
  /** 8 bytes, live. */
  get exitReasonBytes(): Uint8Array {
    return this.bytes.subarray(at.exit_info_reason, at.exit_info_reason + 8);
  }
  /** Fill in a STATUS exit. @param reason at most 8 bytes are kept */
  setStatus(status: number, exitType: number, reasonSize: number, reason: Uint8Array): void {
    this.exitReason = VcpuExit.STATUS;
    this.#view.setUint32(at.status, status, true);
    this.#view.setUint16(at.exit_info_type, exitType, true);
    this.#view.setUint32(at.exit_info_reason_size, reasonSize, true);
    this.exitReasonBytes.set(reason.subarray(0, 8));
  }

  /** Negative errno of the kernel's own try. */
  get pageFaultAttempt(): number {
    return this.#view.getInt32(at.page_fault_attempt, true);
  }
  set pageFaultAttempt(value: number) {
    this.#view.setInt32(at.page_fault_attempt, value, true);
  }
  get pageFaultResumeAction(): number {
    return this.#view.getUint8(at.page_fault_resume_action);
  }
  set pageFaultResumeAction(value: number) {
    this.#view.setUint8(at.page_fault_resume_action, value);
  }
}
