import { Clock, CpuBackend, definePlugin, Entropy, PhysicalMemory } from "@gunyah-ts/kernel";
import { createArm64Backend, TIERS, type Tier } from "./backend.ts";
import { CPU_MODELS, type CpuModelName, DEFAULT_CPU_MODEL } from "./cpu/models.ts";

/** Options of the CPU backend, as a machine's configuration gives them. */
export interface ArchArm64Options {
  /** CPU model of every PE. */
  readonly cpu: CpuModelName;
  /** What executes hot code; "" leaves it to GUNYAH_TIER and the backend's default. */
  readonly tier: Tier | "";
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
    tier: {
      type: "string",
      default: "",
      check: (name) => (["", ...TIERS].includes(name) ? undefined : `it must be ${TIERS.join(", ")}`),
    },
  },
  setup(ctx, { cpu, tier }) {
    const backend = createArm64Backend({
      physicalMemory: ctx.get(PhysicalMemory),
      clock: ctx.get(Clock),
      entropy: ctx.get(Entropy),
      cpu,
      ...(tier === "" ? {} : { tier }),
    });
    ctx.provide(CpuBackend, backend);
    ctx.onDispose(() => backend.dispose());
  },
});
