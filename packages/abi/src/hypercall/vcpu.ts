import { bitfield } from "./bitfield.ts";

/**
 * vCPU vocabulary of the hypercall API.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Virtual CPU; hyp/vm/vcpu_run; Linux series v17 for state 7 and the
 * resume actions.
 */

/** What vcpu_run and vcpu_run_check report. */
export const VcpuRunState = {
  READY: 0,
  EXPECTS_WAKEUP: 1,
  POWERED_OFF: 2,
  BLOCKED: 3,
  ADDRSPACE_VMMIO_READ: 4,
  ADDRSPACE_VMMIO_WRITE: 5,
  FAULT: 6,
  /** Linux v15 and later; absent from the December 2023 hypervisor. */
  ADDRSPACE_PAGE_FAULT: 7,
  PSCI_SYSTEM_RESET: 0x100,
} as const;
export type VcpuRunState = (typeof VcpuRunState)[keyof typeof VcpuRunState];

/** Second resume word of vcpu_run after a VMMIO exit. Not the numbering of userspace, where FAULT is 1 and RETRY 2. */
export const VcpuResumeAction = { EMULATE: 0, RETRY: 1, FAULT: 2 } as const;
export type VcpuResumeAction = (typeof VcpuResumeAction)[keyof typeof VcpuResumeAction];

/** Second data word of EXPECTS_WAKEUP. */
export const VcpuRunWakeupFrom = { UNSPECIFIED: 0, WFI: 1, CPU_SUSPEND: 2, SYSTEM_SUSPEND: 3 } as const;
/** First data word of POWERED_OFF. */
export const VcpuRunPoweredOff = { POWERED_OFF: 0, EXITED: 1 } as const;

/** vcpu_bind_virq type. */
export const VcpuVirqType = { HALT: 0, VCPU_RUN_WAKEUP: 1 } as const;
export type VcpuVirqType = (typeof VcpuVirqType)[keyof typeof VcpuVirqType];

/** vcpu_register_write set. */
export const VcpuRegisterSet = { X: 0, PC: 1, SP_EL: 2 } as const;
export type VcpuRegisterSet = (typeof VcpuRegisterSet)[keyof typeof VcpuRegisterSet];

/** vcpu_configure options, bits 31:0. Bit 63 is `VCPU_OPTION_HLOS_VM`. */
export const VcpuOptions = bitfield("vcpu_options", {
  pinned: [0, 0],
  rasErrorHandler: [1, 1],
  amuCountingDisabled: [2, 2],
  sveAllowed: [3, 3],
  debugAllowed: [4, 4],
  traceAllowed: [5, 5],
  critical: [8, 8],
  vcpuRunScheduled: [9, 9],
});
export const VCPU_OPTION_HLOS_VM = 1n << 63n;

/** vcpu_poweron flags. */
export const VcpuPoweronFlags = bitfield("vcpu_poweron_flags", { preserveEntryPoint: [0, 0], preserveContext: [1, 1] });
/** vcpu_poweroff flags. */
export const VcpuPoweroffFlags = bitfield("vcpu_poweroff_flags", { lastVcpu: [0, 0] });
/** vpm_group_configure flags. */
export const VpmGroupFlags = bitfield("vpm_group_flags", { noAggregation: [0, 0] });
export const VpmState = { NO_STATE: 0, RUNNING: 1, CPUS_SUSPENDED: 2, SYSTEM_SUSPENDED: 3 } as const;

/** scheduler_yield control, bits 15:0. Bit 31 marks implementation-defined hints. */
export const SchedulerYieldHint = { YIELD: 0, YIELD_TO_THREAD: 1, YIELD_LOWER: 2 } as const;

/** Scheduler limits. Times in nanoseconds. */
export const Scheduler = {
  MIN_PRIORITY: 0,
  MAX_PRIORITY: 62,
  DEFAULT_PRIORITY: 32,
  MIN_TIMESLICE_NS: 100_000,
  MAX_TIMESLICE_NS: 100_000_000,
  DEFAULT_TIMESLICE_NS: 5_000_000,
} as const;

/** virq_info: 23:0 number, 31:24 target vCPU index (private interrupts). */
export const VirqInfo = bitfield("virq_info", { virq: [23, 0], target: [31, 24] });
/** msgqueue_configure create_info. */
export const MsgqueueCreateInfo = bitfield("msgqueue_create_info", { queueDepth: [15, 0], maxMsgSize: [31, 16] });
/** msgqueue_send flags. */
export const MsgqueueSendFlags = bitfield("msgqueue_send_flags", { push: [0, 0] });
/** The single bit of `MsgqueueSendFlags`. */
export const MsgqueueSendFlag = { PUSH: 1 } as const;
/** Message queue limits. Source: hyp/ipc/msgqueue */
export const Msgqueue = {
  MAX_DEPTH: 255,
  MAX_MESSAGE_SIZE: 1023,
  THRESHOLD_UNCHANGED: -1,
  THRESHOLD_MAXIMUM: -2,
} as const;
