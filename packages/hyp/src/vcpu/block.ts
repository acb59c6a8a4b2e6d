/**
 * Reasons why a vCPU cannot be scheduled, as bits. It is runnable when none is set.
 * Source: gunyah-hypervisor hyp/interfaces/scheduler/scheduler.tc, scheduler_block, and its extensions
 */
export const Block = {
  /** Powered off by itself or never powered on. */
  VCPU_OFF: 1 << 0,
  /** In WFI. */
  VCPU_WFI: 1 << 1,
  /** In PSCI CPU_SUSPEND. */
  VCPU_SUSPEND: 1 << 2,
  /** Runs only inside vcpu_run. The one block that a kill does not lift. */
  VCPU_RUN: 1 << 3,
  /** An access to a vmmio range waits for the proxy. */
  ADDRSPACE_VMMIO_ACCESS: 1 << 4,
  /** A demand-paged page waits for the proxy. */
  ADDRSPACE_PAGE_FAULT: 1 << 5,
  /** An unrecoverable fault. */
  VCPU_FAULT: 1 << 6,
  /** Affinity is invalid. */
  AFFINITY: 1 << 7,
  /** Not activated yet. */
  THREAD_LIFECYCLE: 1 << 8,
  /**
   * In WFE. Differs: there a WFE is not trapped and holds the physical CPU, as it would here; but one thread plays
   * all CPUs, and one that holds it would keep the SEV from being executed.
   */
  VCPU_WFE: 1 << 9,
} as const;

/** Blocks that hold a killed vCPU back from exiting. */
export const NON_KILLABLE = Block.VCPU_RUN | Block.THREAD_LIFECYCLE | Block.AFFINITY;

/** Name of the first block, for people. */
export function blockName(blocks: number): string {
  for (const [name, bit] of Object.entries(Block)) if ((blocks & bit) !== 0) return name;
  return "RUNNABLE";
}
