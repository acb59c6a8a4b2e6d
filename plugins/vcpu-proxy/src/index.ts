export { vcpuProxy } from "./plugin.ts";
export { Vcpu, type VcpuCalls, type VcpuKernel } from "./vcpu.ts";
export { VcpuFunction } from "./vcpu-function.ts";
