import { Clock, CpuBackend, definePlugin, PhysicalMemory } from "@gunyah-ts/kernel";
import { createArm64Backend } from "./backend.ts";

/** Provides the `CpuBackend` of a machine. */
export const archArm64 = definePlugin({
  name: "@gunyah-ts/arch-arm64",
  version: "0.1.0",
  provides: [CpuBackend],
  requires: [PhysicalMemory, Clock],
  setup(ctx) {
    const backend = createArm64Backend({ physicalMemory: ctx.get(PhysicalMemory), clock: ctx.get(Clock) });
    ctx.provide(CpuBackend, backend);
    ctx.onDispose(() => backend.dispose());
  },
});
