import type { Intid, Ipa, Pa } from "./address.ts";

/**
 * A program in this process that runs as the code of a VM: our Resource Manager and our host driver.
 *
 * It is installed at the physical address where the SoC's firmware would put an A64 image. When a vCPU is
 * powered on with that entry, the hypervisor calls `start` instead of executing instructions. From then on
 * the program sees what A64 code would see and nothing else: registers of HVC, memory through its own
 * address space, the GIC, WFI. A real Linux image at the same address replaces it.
 */
export interface NativeProgram {
  readonly name: string;
  /** The vCPU was powered on. @param context X0, 64 bits. Must return; what it waits for arrives through `interrupt`. */
  start(vcpu: NativeVcpu, context: bigint): void;
  /**
   * A virtual interrupt is signalled and interrupts are unmasked. Acknowledge and end it through the vCPU.
   * Called again while one remains signalled. Never re-entered: interrupts stay masked until it returns.
   */
  interrupt(vcpu: NativeVcpu): void;
  /** The vCPU was killed or powered off by someone else; it will not run again. */
  stopped?(vcpu: NativeVcpu): void;
}

/** Where a boot loader puts native programs. */
export interface NativePrograms {
  /** @returns the function that takes the program away again. Throws HYP_ENTRY_TAKEN when the address has one. */
  install(entry: Pa, program: NativeProgram): () => void;
}

/**
 * The instructions that a native program can use. Every call is what the named A64 instruction does at EL1
 * with the MMU off, so a virtual address is an IPA.
 *
 * Interrupts are taken when a call returns, never in the middle of the program's own code: after `hvc`,
 * `smc` and `wfi` the hypervisor first runs what became runnable with a higher priority, then calls
 * `interrupt` while one is signalled and `masked` is false.
 */
export interface NativeVcpu {
  /** MPIDR_EL1 affinity, 32 bits. */
  readonly mpidr: number;
  /** HVC #0. X0-X17 in `x` (length 18) are the arguments and are overwritten with the results. */
  hvc(x: BigUint64Array): void;
  /** SMC #0, same registers. */
  smc(x: BigUint64Array): void;
  /**
   * WFI. Lets other vCPUs run and, when none can, the clock go idle.
   * @returns true when an interrupt was signalled to this vCPU meanwhile (its handler has run, unless masked);
   * false when nothing in the machine can run before something outside it happens (host clock: see `nextDeadline`)
   */
  wfi(): boolean;
  /** PSTATE.I. */
  masked: boolean;

  /**
   * Copy out of memory. @returns false on a stage-2 fault or external abort (nothing is copied; a real CPU would
   * take a data abort)
   */
  read(ipa: Ipa, into: Uint8Array): boolean;
  write(ipa: Ipa, bytes: Uint8Array): boolean;
  fill(ipa: Ipa, size: number, value: number): boolean;
  /**
   * A live window for repeated access, or undefined where any page of it may not be accessed that way or it is not
   * contiguous in physical memory. It dies with the next change of ownership or mapping: use it before the next
   * hvc, and report stores with `wrote`.
   */
  view(ipa: Ipa, size: number, access: "r" | "rw"): Uint8Array | undefined;
  wrote(ipa: Ipa, size: number): void;
  /** Single load or store of 1, 2, 4 or 8 bytes that may be a device (the virtual GIC). undefined/false on a fault. */
  load(ipa: Ipa, size: 1 | 2 | 4 | 8): bigint | undefined;
  store(ipa: Ipa, size: 1 | 2 | 4 | 8, value: bigint): boolean;

  /** MRS ICC_IAR1_EL1. 1023 when nothing is signalled. */
  acknowledge(): Intid;
  /** MSR ICC_EOIR1_EL1. */
  endOfInterrupt(intid: Intid): void;
  /** MSR ICC_PMR_EL1, ICC_IGRPEN1_EL1. */
  setPriorityMask(mask: number): void;
  setGroup1Enabled(enabled: boolean): void;

  /** CNTVCT_EL0, ticks. */
  readonly counter: number;
}
