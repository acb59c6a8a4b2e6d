/**
 * What executes a vCPU: a PE of the CPU backend, or a native program.
 */

import type { ListRegisters } from "../vgic/list-registers.ts";
import type { InitialContext } from "./context.ts";

export interface Engine {
  readonly lrs: ListRegisters;
  /** Instructions retired, 0 for native programs. */
  readonly retired: number;
  /** The same, and for every exit what it took, in instructions: budgets and time slices are counted so. */
  readonly spent: number;
  /** Whether a native program executes it. */
  readonly isNative: boolean;
  /** Power-on. */
  reset(context: InitialContext): void;
  /** Warm reset of a running vCPU: PSCI power-down suspend. */
  warmReset(entry: bigint, context: bigint): void;
  /**
   * Execute until about `budget` was spent, the vCPU is blocked or dying, or something of higher
   * priority wants the CPU.
   */
  run(budget: number): void;
  /** A virtual interrupt would be signalled now, DAIF aside. For a native program also PSTATE.I is looked at. */
  readonly isInterrupted: boolean;
  /** An event would end a WFE. False for native programs, which have none. */
  readonly isEventPending: boolean;
  /** Copy from the guest's virtual memory as EL1 reads it. @returns false on any fault; nothing is copied then */
  guestRead(va: number, into: Uint8Array): boolean;
  guestWrite(va: number, bytes: Uint8Array): boolean;
  /** The vCPU exited or its engine is replaced: release what it holds. */
  dispose(): void;
}
