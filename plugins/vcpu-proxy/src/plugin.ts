import { AbiProfiles, FnType } from "@gunyah-ts/abi";
import { definePlugin, HostKernel, Hypercalls, hostHooks } from "@gunyah-ts/kernel";
import { VcpuFunction } from "./vcpu-function.ts";

/** Drives VM function type 1: vCPUs that a VMM runs with GUNYAH_VCPU_RUN. */
export const vcpuProxy = definePlugin({
  name: "@gunyah-ts/vcpu-proxy",
  version: "0.1.0",
  vmFunction: FnType.VCPU,
  requires: [HostKernel, Hypercalls],
  setup(ctx) {
    const kernel = ctx.get(HostKernel);
    const driver = new VcpuFunction(kernel, ctx.get(Hypercalls), AbiProfiles[kernel.abi]);
    ctx.own(ctx.hooks(hostHooks).vmFunction, FnType.VCPU, () => driver);
  },
});
