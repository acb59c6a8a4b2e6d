import { Clock, CpuBackend, definePlugin, Entropy, PhysicalMemory } from "@gunyah-ts/kernel";
import { createArm64Backend } from "./backend.ts";
import { CPU_MODELS, type CpuModelName, DEFAULT_CPU_MODEL } from "./cpu/models.ts";

/** Options of the CPU backend, as a machine's configuration gives them. */
export interface ArchArm64Options {
  /** CPU model of every PE. */
  readonly cpu: CpuModelName;
}

/** Provides the `CpuBackend` of a machine. */
export const archArm64 = definePlugin<ArchArm64Options>({
  name: "@gunyah-ts/arch-arm64",
  version: "0.1.0",
  provides: [CpuBackend],
  requires: [PhysicalMemory, Clock, Entropy],
  options: {
    cpu: {
      type: "string",
      default: DEFAULT_CPU_MODEL,
      check: (name) =>
        Object.hasOwn(CPU_MODELS, name) ? undefined : `it must be ${Object.keys(CPU_MODELS).join(", ")}`,
    },
  },
  setup(ctx, { cpu }) {
    const backend = createArm64Backend({
      physicalMemory: ctx.get(PhysicalMemory),
      clock: ctx.get(Clock),
      entropy: ctx.get(Entropy),
      cpu,
    });
    ctx.provide(CpuBackend, backend);
    ctx.onDispose(() => backend.dispose());
  },
});
