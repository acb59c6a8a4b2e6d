/**
 * What the layers of a Gunyah machine ask of each other: interfaces, each with a token, in the terms of the one who calls.
 * They are declarations. They name layers because layers meet here; no layer is imported.
 */
export * from "./address.ts";
export * from "./board-power.ts";
export * from "./clock.ts";
export * from "./cpu-backend.ts";
export * from "./device.ts";
export * from "./entropy.ts";
export * from "./eventfd.ts";
export * from "./fault-points.ts";
export * from "./host.ts";
export * from "./host-image.ts";
export * from "./hypervisor.ts";
export * from "./native-vcpu.ts";
export * from "./physical-memory.ts";
export * from "./resource-manager.ts";
export * from "./system-bus.ts";
export * from "./trace.ts";
export * from "./vm-manager.ts";
