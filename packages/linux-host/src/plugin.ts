import { Clock, definePlugin, Entropy, HostImage, Hypervisor, SystemBus, vmmHooks } from "@gunyah-ts/kernel";
import { checkHostConfig } from "./host-config.ts";
import { LinuxHost, LinuxHostService } from "./linux-host.ts";

/** Provides `HostImage`: the kernel that the `host` section of the configuration names. Takes the place of vm-manager. */
export const linuxHost = definePlugin({
  name: "@gunyah-ts/linux-host",
  version: "0.1.0",
  provides: [HostImage, LinuxHostService],
  requires: [SystemBus, Hypervisor, Clock, Entropy],
  setup(ctx) {
    const { device } = ctx.hooks(vmmHooks);
    const host = new LinuxHost({
      config: checkHostConfig(ctx.config.host),
      bus: ctx.get(SystemBus),
      hypervisor: ctx.get(Hypervisor),
      clock: ctx.get(Clock),
      entropy: ctx.get(Entropy),
      trace: ctx.trace,
      deviceType: (type) => device.call(type),
    });
    ctx.onDispose(() => host.dispose());
    ctx.provide(HostImage, host);
    ctx.provide(LinuxHostService, host);
  },
});
