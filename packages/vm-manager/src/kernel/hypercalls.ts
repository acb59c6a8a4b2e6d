import { encodeHypercall, gunyahErrorName, Hypercall, MsgqueueSendFlag, Smccc } from "@gunyah-ts/abi";
import type { CapId, Hypercalls, Ipa, LayerError, NativeVcpu, Pa, VcpuRunResult } from "@gunyah-ts/kernel";

/** Where a hypercall may be made to fail: before it is made. @returns a GunyahError to answer instead, or 0 */
export type HypercallFault = (name: string) => number;

/**
 * The hypercalls of the host driver, as HVC #0 of its vCPU.
 * Source: Linux series v17, arch/arm64/gunyah/gunyah_hypercall.c
 */
export class HostHypercalls implements Hypercalls {
  readonly #vcpu: NativeVcpu;
  readonly #x = new BigUint64Array(18);
  /** The same registers in halves: reads that make no BigInt. */
  readonly #w = new Uint32Array(this.#x.buffer);
  readonly #run = new RunResult(this.#w);
  readonly #bell = { error: 0, oldFlags: 0n };
  /** One for each direction: a send's interrupt handler receives before the sender looks at its result. */
  readonly #sent = { error: 0, ready: false };
  readonly #received = { error: 0, size: 0, ready: false };
  readonly #after: () => void;
  /** Set by tests and by the fault points. */
  fault: HypercallFault | undefined;
  /** The latest error, for diagnosis. */
  lastError: LayerError | undefined;

  /**
   * @param after called after each hypercall, once its results are out of the registers: interrupts that came
   * meanwhile are handled there, so that a handler may make hypercalls of its own
   */
  constructor(vcpu: NativeVcpu, after: () => void = () => {}) {
    this.#vcpu = vcpu;
    this.#after = after;
  }

  /** X0-X3 of the vendor hypervisor's CALL_UID. */
  callUid(): readonly [number, number, number, number] {
    const x = this.#x;
    x.fill(0n);
    x[0] = BigInt(Smccc.VENDOR_HYP_CALL_UID);
    this.#vcpu.hvc(x);
    const w = this.#w;
    return [w[0] as number, w[2] as number, w[4] as number, w[6] as number];
  }

  /** hypervisor_identify: api_info, flags0, flags1, flags2. */
  identify(): readonly [bigint, bigint, bigint, bigint] {
    const x = this.#x;
    encodeHypercall(x, this.#w, Hypercall.hypervisor_identify);
    this.#vcpu.hvc(x);
    return [x[0] as bigint, x[1] as bigint, x[2] as bigint, x[3] as bigint];
  }

  bellSend(bell: CapId, newFlags: bigint): { readonly error: number; readonly oldFlags: bigint } {
    encodeHypercall(this.#x, this.#w, Hypercall.doorbell_send, bell, newFlags);
    const result = this.#bell;
    result.error = this.#call("bell_send", bell);
    result.oldFlags = this.#x[1] as bigint;
    this.#after();
    return result;
  }

  bellSetMask(bell: CapId, enableMask: bigint, ackMask: bigint): { readonly error: number } {
    encodeHypercall(this.#x, this.#w, Hypercall.doorbell_mask, bell, enableMask, ackMask);
    const error = this.#call("bell_set_mask", bell);
    this.#after();
    return { error };
  }

  /** msgq_send. `ready`: the queue is not full after it. The result object is reused. */
  msgqSend(queue: CapId, size: number, buffer: Ipa, push: boolean): { error: number; ready: boolean } {
    const flags = push ? MsgqueueSendFlag.PUSH : 0;
    // The driver's memory is mapped 1:1.
    encodeHypercall(this.#x, this.#w, Hypercall.msgqueue_send, queue, size, buffer as number, flags);
    const result = this.#sent;
    result.error = this.#call("msgq_send", queue);
    result.ready = result.error === 0 && this.#w[2] !== 0;
    this.#after();
    return result;
  }

  /** msgq_recv. `ready`: more messages wait. The result object is reused. */
  msgqReceive(queue: CapId, buffer: Ipa, maxSize: number): { error: number; size: number; ready: boolean } {
    encodeHypercall(this.#x, this.#w, Hypercall.msgqueue_receive, queue, buffer as number, maxSize);
    const result = this.#received;
    result.error = this.#call("msgq_recv", queue);
    result.size = result.error === 0 ? (this.#w[2] as number) : 0;
    result.ready = result.error === 0 && this.#w[4] !== 0;
    this.#after();
    return result;
  }

  /** addrspace_map. The extents of a VM are based at 0, so an offset in one is a physical address. @returns GunyahError */
  addrspaceMap(
    addrspace: CapId,
    extent: CapId,
    gpa: Ipa,
    attrs: number,
    flags: number,
    offset: Pa,
    size: number,
  ): number {
    encodeHypercall(this.#x, this.#w, Hypercall.addrspace_map, addrspace, extent, gpa, attrs, flags, offset, size);
    return this.#plain("addrspace_map", addrspace);
  }

  /** addrspace_unmap. @returns GunyahError */
  addrspaceUnmap(addrspace: CapId, extent: CapId, gpa: Ipa, flags: number, offset: Pa, size: number): number {
    encodeHypercall(this.#x, this.#w, Hypercall.addrspace_unmap, addrspace, extent, gpa, flags, offset, size);
    return this.#plain("addrspace_unmap", addrspace);
  }

  /** memextent_donate. @returns GunyahError */
  memextentDonate(options: number, from: CapId, to: CapId, offset: Pa, size: number): number {
    encodeHypercall(this.#x, this.#w, Hypercall.memextent_donate, options, from, to, offset, size);
    return this.#plain("memextent_donate", from);
  }

  vcpuRun(vcpu: CapId, resume0: bigint, resume1: bigint, resume2: bigint): VcpuRunResult {
    encodeHypercall(this.#x, this.#w, Hypercall.vcpu_run, vcpu, resume0, resume1, resume2);
    const result = this.#run;
    result.error = this.#call("vcpu_run", vcpu);
    result.latch();
    this.#after();
    return result;
  }

  #plain(name: string, cap: CapId): number {
    const error = this.#call(name, cap);
    this.#after();
    return error;
  }

  #call(name: string, cap: CapId): number {
    let error = this.fault === undefined ? 0 : this.fault(name);
    if (error === 0) {
      this.#vcpu.hvc(this.#x);
      error = (this.#w[0] as number) | 0;
    }
    if (error !== 0) {
      this.lastError = {
        layer: "hypervisor",
        value: error,
        code: gunyahErrorName(error),
        detail: `${name}(0x${cap.toString(16)}, …)`,
      };
    }
    return error;
  }
}

/** X0-X4 of vcpu_run, latched: an interrupt handler may make hypercalls before the caller looks. */
class RunResult implements VcpuRunResult {
  readonly #w: Uint32Array;
  readonly #latched = new Uint32Array(8);
  readonly #latched64 = new BigUint64Array(this.#latched.buffer);
  error = 0;

  constructor(w: Uint32Array) {
    this.#w = w;
  }

  latch(): void {
    const l = this.#latched;
    const w = this.#w;
    for (let i = 0; i < 8; i++) l[i] = w[i + 2] as number;
  }
  get state(): number {
    return this.#latched[0] as number;
  }
  get data0(): bigint {
    return this.#latched64[1] as bigint;
  }
  get data1(): bigint {
    return this.#latched64[2] as bigint;
  }
  get data2(): bigint {
    return this.#latched64[3] as bigint;
  }
  get address(): Ipa {
    return (this.#latched[2] as number) + (this.#latched[3] as number) * 0x1_0000_0000;
  }
  get size(): number {
    return this.#latched[4] as number;
  }
  get data2Low(): number {
    return this.#latched[6] as number;
  }
  get data2High(): number {
    return this.#latched[7] as number;
  }
}
