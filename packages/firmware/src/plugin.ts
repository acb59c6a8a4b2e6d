import {
  Board,
  BoardPower,
  definePlugin,
  HostImage,
  Hypervisor,
  lifecycleHooks,
  ModelError,
  type NativeProgram,
  PhysicalMemory,
  ResourceManager,
  socHooks,
  VmManager,
} from "@gunyah-ts/kernel";
import { powerOn, powerOnImage } from "./boot.ts";
import { PowerController } from "./power.ts";

/**
 * Powers the board on when the machine starts, and tells when it is switched off.
 * Errors: FIRMWARE_NO_HOST, FIRMWARE_TWO_HOSTS
 */
export const firmware = definePlugin({
  name: "@gunyah-ts/firmware",
  version: "0.1.0",
  provides: [BoardPower],
  requires: [Board, PhysicalMemory, Hypervisor, ResourceManager],
  optional: [VmManager, HostImage],
  setup(ctx) {
    const host = oneHost(ctx.find(VmManager)?.program, ctx.find(HostImage));
    const parts = {
      board: ctx.get(Board),
      memory: ctx.get(PhysicalMemory),
      hypervisor: ctx.get(Hypervisor),
      resourceManager: ctx.get(ResourceManager),
    };
    const power = new PowerController();
    ctx.on(ctx.hooks(socHooks).smc, (vmid, x) => power.smc(vmid, x) || undefined);
    ctx.on(ctx.hooks(lifecycleHooks).crash, (error) => {
      power.switchOff({ reason: "crash", detail: error instanceof Error ? error.message : String(error) });
    });
    power.onEnd(() => parts.hypervisor.halt());
    ctx.provide(BoardPower, power);
    ctx.onStart(() => ("load" in host ? powerOnImage(parts, host) : powerOn(parts, host)));
  },
});

function oneHost(program: NativeProgram | undefined, image: HostImage | undefined): NativeProgram | HostImage {
  if (program !== undefined && image !== undefined)
    throw new ModelError(
      "FIRMWARE_TWO_HOSTS",
      "one plugin brings a host driver and another a kernel image for the host VM; leave one of them out",
    );
  const host = program ?? image;
  if (host !== undefined) return host;
  throw new ModelError(
    "FIRMWARE_NO_HOST",
    "no plugin says what the host VM runs; add @gunyah-ts/vm-manager, or a plugin that provides HostImage",
  );
}
