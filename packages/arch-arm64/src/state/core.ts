import type { Cpu } from "../cpu/cpu.ts";
import type { DebugUnit } from "../exception/debug.ts";
import type { VirtualCpuInterface } from "../gic/cpu-interface.ts";
import type { Tlb } from "../mmu/tlb.ts";
import type { PerformanceMonitors } from "../pmu/monitors.ts";
import type { GenericTimers } from "../timer/timers.ts";
import type { StateBlock, SystemExports } from "./block.ts";
import type { EventRegister } from "./event-register.ts";
import type { Work } from "./work.ts";

/** The parts of a PE, as its parts see one another. */
export interface PeCore {
  readonly cpu: Cpu;
  /** RNDR: 64 random bits. */
  random64(): bigint;
  readonly state: StateBlock;
  readonly wasm: SystemExports;
  readonly tlb: Tlb;
  readonly gic: VirtualCpuInterface;
  readonly timers: GenericTimers;
  readonly debug: DebugUnit;
  readonly pmu: PerformanceMonitors;
  /** DBGCLAIM tags. */
  claim: number;
  /** Tell the clock what has retired since it was last told, so that the counter is exact. Returns the timers. */
  account(): GenericTimers;
  readonly events: EventRegister;
  readonly work: Work;
  /** Virtual interrupts signalled now, in their DAIF bits: list registers and HCR_EL2.{VSE,VI,VF}. */
  lines(): number;
  /** Recompute LINES and what follows from it. Returns true: the caller should look up. */
  interruptsChanged(): boolean;
  /** Lowest physical PPI that is pending and not active, -1 for none. */
  readonly pendingInterrupt: number;
  /** This PE alone, as a list. */
  readonly alone: readonly PeCore[];
  /** PEs of the inner shareable domain that run the same VM, this one included. */
  sameVmid(): readonly PeCore[];
  all(): readonly PeCore[];
}
