import type { Clock, Entropy, PhysicalMemory } from "@gunyah-ts/kernel";
import type { Cpu } from "../cpu/cpu.ts";
import type { Arm64Pe } from "../pe.ts";
import type { SystemExports } from "./block.ts";
import type { PeCore } from "./core.ts";

/** What PEs of one backend share. */
export interface Machine {
  readonly physical: PhysicalMemory;
  readonly clock: Clock;
  readonly cpu: Cpu;
  /** Defined when the CPU has FEAT_RNG. */
  readonly entropy: Entropy | undefined;
  readonly wasm: SystemExports & {
    /** See `INTERPRETER_FUNCTIONS`. */
    execute(s: number): void;
    dropCode(page: number): void;
    isCode(page: number): number;
  };
  readonly pes: readonly PeCore[];
  pesOf(vmid: number): readonly PeCore[];
  /** Notice what changed around the backend since the last run. */
  beforeRun(): void;
  /** After each call of `execute`. */
  afterExecute(): void;
  /** Account for retired instructions. */
  retire(instructions: number): void;
  /** Instructions that may run before the counter reaches `deadline`; at least 1. `slice` bounds it when time is the host's. */
  instructionsUntil(deadline: number, slice: number): number;
  release(pe: Arm64Pe): void;
}
