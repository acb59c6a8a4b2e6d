import { Clock, type DeviceType, definePlugin, Entropy, VmManager, vmmHooks } from "@gunyah-ts/kernel";
import { pl011 } from "./devices/pl011/index.ts";
import { uart16550 } from "./devices/uart16550/index.ts";
import { virtioBlk } from "./devices/virtio-blk/index.ts";
import { virtioConsole } from "./devices/virtio-console/index.ts";
import { virtioRng } from "./devices/virtio-rng/index.ts";
import { Vmm, VmmService } from "./vmm.ts";

const version = "0.1.0";

/** Provides `VmmService`: VMs made of a kernel image and devices. */
export const vmm = definePlugin({
  name: "@gunyah-ts/vmm",
  version,
  provides: [VmmService],
  requires: [VmManager, Clock, Entropy],
  setup(ctx) {
    const { device } = ctx.hooks(vmmHooks);
    ctx.provide(
      VmmService,
      new Vmm({
        vmManager: ctx.get(VmManager),
        deviceType: (type) => device.call(type),
        deviceTypes: () => device.keys(),
        clock: ctx.get(Clock),
        entropy: ctx.get(Entropy),
        trace: ctx.trace,
      }),
    );
  },
});

/** A plugin that provides one device type. */
function devicePlugin(type: DeviceType) {
  return definePlugin({
    name: `@gunyah-ts/vmm#${type.type}`,
    version,
    setup(ctx) {
      ctx.own(ctx.hooks(vmmHooks).device, type.type, () => type);
    },
  });
}

export const pl011Device = devicePlugin(pl011 as DeviceType);
export const uart16550Device = devicePlugin(uart16550 as DeviceType);
export const virtioBlkDevice = devicePlugin(virtioBlk as DeviceType);
export const virtioConsoleDevice = devicePlugin(virtioConsole as DeviceType);
export const virtioRngDevice = devicePlugin(virtioRng as DeviceType);

/** Every device type of this package. */
export const vmmDevices = [pl011Device, uart16550Device, virtioBlkDevice, virtioConsoleDevice, virtioRngDevice];
