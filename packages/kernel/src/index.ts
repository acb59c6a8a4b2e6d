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
export {
  defineHooks,
  type EventHook,
  type EventSpec,
  event,
  type HandledEventSpec,
  type HandledHook,
  type HookOf,
  type HookSet,
  type HookSpec,
  type HooksOf,
  handledEvent,
  type SelectorEventSpec,
  type SelectorHook,
  type SetupEventSpec,
  type SetupHook,
  selectorEvent,
  setupEvent,
} from "./hooks/define.ts";
export { hostHooks, lifecycleHooks, socHooks, traceHooks, vmmHooks } from "./hooks/standard.ts";
export { type ClockConfig, defineMachine, type MachineConfig, type PluginEntry } from "./machine/config.ts";
export { type LoadedConfig, loadMachineConfig } from "./machine/load-config.ts";
export {
  createMachine,
  type Machine,
  type MachineOptions,
  type MachineState,
  type PluginInfo,
} from "./machine/machine.ts";
export { GicClient, type GicClientOptions, type GicEnableOptions } from "./native/gic-client.ts";
export { createPostTurn, type PostTurn } from "./platform/turn.ts";
export {
  type AnyPlugin,
  type AnyToken,
  definePlugin,
  isPlugin,
  PLUGIN_API,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type PluginUse,
  type TapOptions,
  use,
} from "./plugin/define.ts";
export { MANIFEST_KINDS, type Manifest, type ManifestKind } from "./plugin/manifest.ts";
export type { OptionRule, OptionsSchema } from "./plugin/options.ts";
export {
  createHostClock,
  createVirtualClock,
  DEFAULT_TIMER_FREQUENCY_HZ,
  type HostClockOptions,
  type VirtualClockOptions,
} from "./soc/clock.ts";
export { createHostEntropy, createSeededEntropy } from "./soc/entropy.ts";
export { createEventFd, type EventFdOptions } from "./soc/eventfd.ts";
export { createFaultPoints } from "./soc/fault-points.ts";
export { createPhysicalMemory, DEFAULT_RESERVED_BYTES, type PhysicalMemoryOptions } from "./soc/physical-memory.ts";
export { createSystemBus } from "./soc/system-bus.ts";
export { createTrace, type TraceHub } from "./soc/trace.ts";
export { type Token, token } from "./token.ts";
