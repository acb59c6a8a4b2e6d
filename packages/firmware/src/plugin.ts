import { Board, definePlugin, Hypervisor, PhysicalMemory, ResourceManager, VmManager } from "@gunyah-ts/kernel";
import { powerOn } from "./boot.ts";

/** Powers the board on when the machine starts. */
export const firmware = definePlugin({
  name: "@gunyah-ts/firmware",
  version: "0.1.0",
  requires: [Board, PhysicalMemory, Hypervisor, ResourceManager, VmManager],
  setup(ctx) {
    ctx.onStart(() =>
      powerOn({
        board: ctx.get(Board),
        memory: ctx.get(PhysicalMemory),
        hypervisor: ctx.get(Hypervisor),
        resourceManager: ctx.get(ResourceManager),
        vmManager: ctx.get(VmManager),
      }),
    );
  },
});
