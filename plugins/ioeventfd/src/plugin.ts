import { AbiProfiles, FnType } from "@gunyah-ts/abi";
import { definePlugin, HostKernel, hostHooks } from "@gunyah-ts/kernel";
import { Ioeventfd } from "./ioeventfd.ts";

/** Drives VM function type 3: guest stores that signal an eventfd. */
export const ioeventfd = definePlugin({
  name: "@gunyah-ts/ioeventfd",
  version: "0.1.0",
  vmFunction: FnType.IOEVENTFD,
  requires: [HostKernel],
  setup(ctx) {
    const kernel = ctx.get(HostKernel);
    const driver = new Ioeventfd(kernel, AbiProfiles[kernel.abi]);
    ctx.own(ctx.hooks(hostHooks).vmFunction, FnType.IOEVENTFD, () => driver);
  },
});
