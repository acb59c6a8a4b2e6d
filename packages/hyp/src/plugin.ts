import {
  Board,
  bug,
  Clock,
  CpuBackend,
  definePlugin,
  Entropy,
  Hypervisor,
  lifecycleHooks,
  PhysicalMemory,
  SystemBus,
  socHooks,
} from "@gunyah-ts/kernel";
import { createHypervisor } from "./hypervisor.ts";

export interface HypOptions {
  /** Instructions of one turn of the scheduler and of one vcpu_run; an exit counts as a thousand. */
  readonly quantum: number;
  /** Check after every hypercall what it changed in memory, and all of it when the machine is disposed of. For tests. */
  readonly checkOwnership: boolean;
}

/** Provides the `Hypervisor` of a machine; SMCs go to the `soc.smc` hook. */
export const hyp = definePlugin<HypOptions>({
  name: "@gunyah-ts/hyp",
  version: "0.1.0",
  provides: [Hypervisor],
  requires: [Board, CpuBackend, PhysicalMemory, SystemBus, Clock, Entropy],
  options: {
    quantum: {
      type: "integer",
      default: 200_000,
      check: (value) => (value < 1000 ? "must be 1000 or more" : undefined),
    },
    checkOwnership: { type: "boolean", default: false },
  },
  setup(ctx, options) {
    const { smc } = ctx.hooks(socHooks);
    const { crash } = ctx.hooks(lifecycleHooks);
    const hypervisor = createHypervisor({
      board: ctx.get(Board),
      backend: ctx.get(CpuBackend),
      memory: ctx.get(PhysicalMemory),
      clock: ctx.get(Clock),
      entropy: ctx.get(Entropy),
      trace: ctx.trace,
      bus: ctx.get(SystemBus),
      onCrash: (error) => crash.call(error),
      secureMonitors: [{ smc: (vmid, x) => smc.call(vmid, x) === true }],
      quantum: options.quantum,
      checkOwnership: options.checkOwnership,
    });
    ctx.provide(Hypervisor, hypervisor);
    ctx.onStop(() => hypervisor.halt());
    ctx.onDispose(() => hypervisor.halt());
    if (options.checkOwnership)
      ctx.onDispose(() => {
        const fault = hypervisor.inspect.checkOwnership();
        if (fault !== undefined) bug("BUG_HYP_OWNERSHIP", "the invariant does not hold at the end", fault);
      });
  },
});
