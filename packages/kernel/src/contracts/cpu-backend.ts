import { token } from "../token.ts";
import type { Intid, Ipa, Pa } from "./address.ts";

/**
 * Processing elements that execute A64 at EL1 and EL0, as a hypervisor at EL2 sees them.
 *
 * The contract is the Arm ARM's EL2: a PE runs until it takes an exception to EL2, whose syndrome is in
 * ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2 and SPSR_EL2; HCR_EL2, VTTBR_EL2, VTCR_EL2 and the ICH_* registers
 * control it; stage-2 tables are read from physical memory.
 *
 * Differs: each vCPU keeps a PE of its own, because then switching vCPUs costs nothing. What is shared
 * between PEs of one VMID in hardware (broadcast TLBI, exclusives, memory) is shared here.
 *
 * Source: DDI 0487 K.a, chapters D1 (system level), D8 (VMSA), D13 (system registers); IHI 0069H for ICH_* and ICV_*.
 */
export interface CpuBackend {
  readonly name: string;
  /** Largest number of PEs that can exist at one time. */
  readonly maxPes: number;
  createPe(config: PeConfig): Pe;
  /** TLBI IPAS2E1IS for every page of [ipa, ipa + size), with the stage-1-and-2 entries that came from them. */
  tlbiIpa(vmid: number, ipa: Ipa, size: number): void;
  /** TLBI VMALLS12E1IS: every entry of one VMID. */
  tlbiVmid(vmid: number): void;
}
export const CpuBackend = token<CpuBackend>("contract/CpuBackend");

export interface PeConfig {
  /** VMPIDR_EL2: what the guest reads as MPIDR_EL1. 64 bits, bit 31 set. */
  readonly mpidr: bigint;
  /** Security domain of this PE's accesses for `PhysicalMemory.accessControl`, 0-63. */
  readonly domain?: number;
}

/** Why `run` came back. Numbers, because it is compared on every exit. */
export const PeExit = {
  /** The budget is spent or `requestExit` was called. State is between two instructions. */
  BUDGET: 0,
  /** A synchronous exception to EL2; ESR_EL2 and its companions describe it. */
  SYNC: 1,
  /** A physical interrupt is pending for EL2: read `pendingInterrupt`. */
  IRQ: 2,
  /** WFI with HCR_EL2.TWI clear and nothing to wake up for. */
  WAIT: 3,
  /** WFE with HCR_EL2.TWE clear, `events.pending` false and no interrupt to wake up for. */
  WAIT_EVENT: 4,
} as const;
export type PeExit = (typeof PeExit)[keyof typeof PeExit];

/** INTIDs of the private peripheral interrupts that a PE raises for EL2 by itself. Source: Arm BSA, PPI assignment. */
export const PePpi = {
  /** Overflow of a performance counter. Level: PMOVSSET_EL0 and PMINTENSET_EL1 meet while PMCR_EL0.E. */
  PMU: 23,
  /** GICv3 virtual CPU interface maintenance. Level: asserted while ICH_MISR_EL2 is not zero. */
  MAINTENANCE: 25,
  /** EL1 virtual timer. Level: asserted while CNTV_CTL_EL0.{ENABLE,ISTATUS} and not IMASK. */
  VIRTUAL_TIMER: 27,
  /** EL1 physical timer, where CNTHCT_EL2 lets EL1 use it. */
  PHYSICAL_TIMER: 30,
} as const;

export interface Pe {
  readonly config: PeConfig;
  /** X0-X30, live, by index. */
  readonly x: BigUint64Array;
  /** The same 31 registers as 62 little-endian halves, for callers that avoid BigInt. */
  readonly xWords: Uint32Array;

  /**
   * ERET from EL2 to ELR_EL2 with SPSR_EL2 and execute.
   * After every return, whatever the reason, ELR_EL2 and SPSR_EL2 hold the state to resume from, so that
   * calling `run` again goes on.
   *
   * @param budget how far `spent` may go, 1 to 2^31 - 1 instructions. A backend may look at it only where control flow changes
   * (a taken branch, the end of a page), so the real number may exceed it by straight-line code, under 1,024 instructions
   */
  run(budget: number): PeExit;
  /** Make a running or the next `run` return BUDGET soon. May be called from inside a callback or another thread. */
  requestExit(): void;
  /** Instructions retired since the PE was created. An integer below 2^53. */
  readonly retired: number;

  /** What counts against budgets: `retired`, and more for what keeps the host longer. Never goes back. */
  readonly spent: number;

  /** ESR_EL2[31:0]: EC 31:26, IL 25, ISS 24:0. */
  readonly esr: number;
  /** FAR_EL2, 64 bits. */
  readonly far: bigint;
  /** Faulting IPA: HPFAR_EL2.FIPA and, for a data or instruction abort, FAR_EL2[11:0]. Bytes. */
  readonly faultIpa: Ipa;

  /** Lowest-numbered physical PPI that is pending and not active, -1 for none. See `PePpi`. */
  readonly pendingInterrupt: Intid | -1;
  /**
   * Physical acknowledge: the PPI becomes active, and no longer interrupts EL2 until it is deactivated,
   * by this call or by the guest's write to ICV_EOIR1/ICV_DIR for a list register with HW set and this pINTID.
   */
  acknowledge(intid: Intid): void;
  deactivate(intid: Intid): void;

  /** What ends a WFE. */
  readonly events: PeEvents;

  /** Any register of `PeRegister`, 64 bits, by name. Reading or writing has no side effect but the obvious. */
  read(register: PeRegister): bigint;
  write(register: PeRegister, value: bigint): void;
  /** V0-V31: 512 bytes, live. */
  readonly v: Uint8Array;

  /** ICH_LR<n>_EL2 without BigInt: state, priority, INTID. */
  readonly listRegisterCount: number;
  /** ICH_LR<n>_EL2[31:0] (vINTID) and [63:32] (pINTID 41:32, priority 55:48, group 60, HW 61, state 63:62). Index n * 2. Live. */
  readonly listRegisters: Uint32Array;
  /** Tell the PE that list registers or ICH_HCR_EL2 changed, so that it looks for a deliverable interrupt. */
  listRegistersChanged(): void;
  /** Whether a virtual interrupt in a list register would be signalled now to EL1, DAIF aside (wakes a WFI). */
  readonly virtualInterruptPending: boolean;

  /** Warm reset to EL1h at `entry` with MMU off, interrupts masked. Source: DDI 0487 D1.9.1. */
  reset(): void;
  /** Everything, mid-program, as plain versioned data; `restore` distrusts it. */
  save(): PeState;
  restore(state: PeState): void;
  /** Give the PE's resources back. Any later use is a BUG_. */
  dispose(): void;
}

/** Events as a waiting PE sees them. Source: DDI 0487 K.a, D1.6.1 (Wait for Event). */
export interface PeEvents {
  /**
   * Whether a WFE would end at once: the event register is set (SEV of any PE of the backend, SEVL, an exception
   * return, an event stream), or what the exclusive monitor watches was stored to.
   */
  readonly pending: boolean;
  /** CNTPCT_EL0 ticks of the next event of an event stream (CNTKCTL_EL1, CNTHCTL_EL2), Infinity when they are off. */
  readonly next: number;
  /**
   * Called once when an event comes for a PE whose last `run` returned WAIT_EVENT. Two are not told: an event stream's,
   * see `next`, and another PE's store to what the monitor watches: ask `pending` when another PE ran.
   */
  onEvent: (() => void) | undefined;
}

export interface PeState {
  readonly version: 1;
  readonly registers: { readonly [name in PeRegister]?: string };
  /** 512 bytes, hexadecimal. */
  readonly v: string;
  readonly exclusive: {
    readonly valid: boolean;
    readonly address: string;
    readonly size: number;
    readonly value: string;
  };
  readonly activePpis: readonly number[];
  readonly retired: number;
}

/**
 * Registers reachable by name. `ELR_EL2`/`SPSR_EL2` are the resume state; EL1 registers are the guest's.
 * A backend may accept more (every system register that it implements, by its Arm ARM name).
 */
export type PeRegister =
  | `X${number}`
  | "SP_EL0"
  | "SP_EL1"
  | "ELR_EL1"
  | "SPSR_EL1"
  | "FPCR"
  | "FPSR"
  | "SCTLR_EL1"
  | "ACTLR_EL1"
  | "CPACR_EL1"
  | "TTBR0_EL1"
  | "TTBR1_EL1"
  | "TCR_EL1"
  | "MAIR_EL1"
  | "AMAIR_EL1"
  | "ESR_EL1"
  | "FAR_EL1"
  | "AFSR0_EL1"
  | "AFSR1_EL1"
  | "PAR_EL1"
  | "VBAR_EL1"
  | "CONTEXTIDR_EL1"
  | "TPIDR_EL0"
  | "TPIDRRO_EL0"
  | "TPIDR_EL1"
  | "CSSELR_EL1"
  | "MDSCR_EL1"
  | "OSLAR_EL1"
  | "OSLSR_EL1"
  | "OSDLR_EL1"
  | "CNTKCTL_EL1"
  | "CNTV_CTL_EL0"
  | "CNTV_CVAL_EL0"
  | "CNTP_CTL_EL0"
  | "CNTP_CVAL_EL0"
  | "HCR_EL2"
  | "VTTBR_EL2"
  | "VTCR_EL2"
  | "MDCR_EL2"
  | "PMCR_EL0"
  | "PMOVSSET_EL0"
  | "PMINTENSET_EL1"
  | "CPTR_EL2"
  | "CNTVOFF_EL2"
  | "CNTHCT_EL2"
  | "ESR_EL2"
  | "FAR_EL2"
  | "HPFAR_EL2"
  | "ELR_EL2"
  | "SPSR_EL2"
  | "VMPIDR_EL2"
  | "VPIDR_EL2"
  | "ICH_HCR_EL2"
  | "ICH_VMCR_EL2"
  | "ICH_VTR_EL2"
  | "ICH_MISR_EL2"
  | "ICH_EISR_EL2"
  | "ICH_ELRSR_EL2"
  | `ICH_AP${0 | 1}R${0 | 1 | 2 | 3}_EL2`
  | `ICH_LR${number}_EL2`
  | `DBGB${"V" | "C"}R${number}_EL1`
  | `DBGW${"V" | "C"}R${number}_EL1`
  | (string & {});

export type { Pa };
