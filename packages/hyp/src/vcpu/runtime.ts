/**
 * What vCPUs share: the machine below them, the scheduler, and how their traps are handled.
 */

import type { Clock, CpuBackend, PhysicalMemory, SecureMonitor, Trace } from "@gunyah-ts/kernel";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { TrapDispatch } from "../trap/dispatch.ts";
import type { VdeviceFrame } from "./address-space.ts";
import type { Engine } from "./engine.ts";
import type { Vcpu } from "./vcpu.ts";

export interface VcpuRuntime {
  readonly backend: CpuBackend;
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  readonly trace: Trace;
  readonly scheduler: Scheduler;
  readonly traps: TrapDispatch;
  readonly secureMonitors: readonly SecureMonitor[];
  /** Device memory of the SoC as the host VM sees it. Undefined on a board without devices. */
  readonly busFrame: VdeviceFrame | undefined;
  /** A vCPU of the host VM cannot go on. */
  hostCrashed(vcpu: Vcpu, why: string): void;
  /** Security domain of a VM's accesses, for SoC access control. */
  domainOf(vmid: number): number;
  /**
   * What executes the code at `vcpu.context.pc`: `current` when it can, a new engine otherwise.
   * @returns NOMEM when the CPU backend has no PE left
   */
  engineFor(vcpu: Vcpu, current: Engine | undefined): Engine | number;
}
