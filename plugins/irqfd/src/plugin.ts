import { AbiProfiles, FnType } from "@gunyah-ts/abi";
import { definePlugin, HostKernel, Hypercalls, hostHooks } from "@gunyah-ts/kernel";
import { Irqfd, type IrqfdOptions } from "./irqfd.ts";

/** Drives VM function type 2: eventfds that ring a guest's doorbell. */
export const irqfd = definePlugin<IrqfdOptions>({
  name: "@gunyah-ts/irqfd",
  version: "0.1.0",
  vmFunction: FnType.IRQFD,
  requires: [HostKernel, Hypercalls],
  options: { warnPremature: { type: "boolean", default: true } },
  setup(ctx, options) {
    const kernel = ctx.get(HostKernel);
    const driver = new Irqfd(kernel, ctx.get(Hypercalls), AbiProfiles[kernel.abi], options);
    ctx.own(ctx.hooks(hostHooks).vmFunction, FnType.IRQFD, () => driver);
  },
});
