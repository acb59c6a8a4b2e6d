import { type AbiProfile, FnVcpuArg, LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, VmFunction, VmFunctionInstance } from "@gunyah-ts/kernel";
import { Vcpu, type VcpuCalls, type VcpuKernel } from "./vcpu.ts";

/**
 * VM function VCPU: adds a vCPU that userspace runs.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_vcpu.c, gunyah_vcpu_bind, gunyah_vcpu_unbind
 */
export class VcpuFunction implements VmFunction {
  readonly #kernel: VcpuKernel;
  readonly #hypercalls: VcpuCalls;
  readonly #profile: AbiProfile;
  readonly #bound = new Map<VmFunctionInstance, { readonly vcpu: Vcpu; readonly stopListening: () => void }>();

  constructor(kernel: VcpuKernel, hypercalls: VcpuCalls, profile: AbiProfile) {
    this.#kernel = kernel;
    this.#hypercalls = hypercalls;
    this.#profile = profile;
  }

  /** Instances bound now. */
  get count(): number {
    return this.#bound.size;
  }

  /** @returns the vCPU's descriptor; -EINVAL argument size, -EEXIST id taken, -ENOMEM, -EMFILE */
  bind(instance: VmFunctionInstance): Errno {
    const decoded = FnVcpuArg.decode(instance.arg);
    if (!decoded.ok) return -LinuxErrno.EINVAL;
    const page = this.#kernel.allocPage();
    if (typeof page === "number") return page;
    const { vm } = instance;
    const vcpu = new Vcpu(this.#kernel, this.#hypercalls, this.#profile, vm, decoded.value.id, page);
    const error = vm.addResourceTicket(vcpu);
    if (error !== 0) {
      vcpu.put();
      return error;
    }
    const fd = this.#kernel.anonFd(vcpu.kind, vcpu);
    if (fd < 0) {
      vcpu.remove();
      return fd;
    }
    vcpu.opened();
    this.#bound.set(instance, { vcpu, stopListening: vm.onExited(vcpu.complete) });
    return fd;
  }

  unbind(instance: VmFunctionInstance): void {
    const bound = this.#bound.get(instance);
    if (bound === undefined) return;
    this.#bound.delete(instance);
    bound.stopListening();
    bound.vcpu.remove();
  }

  compare(instance: VmFunctionInstance, arg: Uint8Array): boolean {
    const decoded = FnVcpuArg.decode(arg);
    return decoded.ok && this.#bound.get(instance)?.vcpu.label === decoded.value.id;
  }
}
