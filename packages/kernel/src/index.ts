export * from "./contracts/index.ts";
export {
  assertModel,
  bug,
  isModelError,
  KERNEL_ERRORS,
  type KernelErrorCode,
  ModelError,
  type ModelErrorDetail,
} from "./errors.ts";
export { GicClient, type GicClientOptions, type GicEnableOptions } from "./native/gic-client.ts";
export {
  createHostClock,
  createVirtualClock,
  DEFAULT_TIMER_FREQUENCY_HZ,
  type HostClockOptions,
  type VirtualClockOptions,
} from "./soc/clock.ts";
export { createHostEntropy, createSeededEntropy } from "./soc/entropy.ts";
export { createEventFd, type EventFdOptions } from "./soc/eventfd.ts";
export { createPhysicalMemory, DEFAULT_RESERVED_BYTES, type PhysicalMemoryOptions } from "./soc/physical-memory.ts";
export { createTrace, type TraceHub } from "./soc/trace.ts";
export { type Token, token } from "./token.ts";
