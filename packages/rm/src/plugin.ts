import { definePlugin, ResourceManager } from "@gunyah-ts/kernel";
import { GunyahResourceManager } from "./resource-manager.ts";

/** Provides the `ResourceManager`: the program that a machine installs as its root VM. */
export const rm = definePlugin({
  name: "@gunyah-ts/rm",
  version: "0.1.0",
  provides: [ResourceManager],
  setup(ctx) {
    ctx.provide(ResourceManager, new GunyahResourceManager(ctx.trace));
  },
});
