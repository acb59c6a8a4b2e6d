import { Board, definePlugin, HostKernel, hostHooks, ModelError, PhysicalMemory, socHooks } from "@gunyah-ts/kernel";
import { accessControlTableSize } from "./access-control-unit.ts";
import { QcomPlatform } from "./qcom-platform.ts";
import { SecureFirmware } from "./secure-firmware.ts";

/** Secure firmware with an access control unit in the SoC, and the host driver's platform hooks that use it. */
export const qcomPlatform = definePlugin({
  name: "@gunyah-ts/qcom-platform",
  version: "0.1.0",
  requires: [PhysicalMemory, Board, HostKernel],
  setup(ctx) {
    const memory = ctx.get(PhysicalMemory);
    const board = ctx.get(Board);
    const needed = accessControlTableSize(memory.dramSize);
    const { accessControl: table } = board;
    if (table === undefined || table.size < needed)
      throw new ModelError(
        "QCOM_NO_TABLE",
        `board ${board.name} needs accessControl: { base, size: ${needed} } inside its DRAM, outside carveOut and rootVm; take a preset of this package or add it`,
        { plugin: ctx.name, path: "soc.accessControl" },
      );
    const firmware = new SecureFirmware(memory, board, table);
    firmware.fault = () => ctx.faults.armed && ctx.faults.hit("qcom.assign");
    memory.accessControl = firmware.unit;
    ctx.onDispose(() => {
      memory.accessControl = undefined;
    });
    ctx.on(ctx.hooks(socHooks).smc, (vmid, x) => (firmware.smc(vmid, x) ? true : undefined));

    const platform = new QcomPlatform(ctx.get(HostKernel));
    const hooks = ctx.hooks(hostHooks);
    ctx.onSetup(
      hooks.preMemShare,
      (parcel) => platform.preMemShare(parcel),
      (parcel) => platform.postMemReclaim(parcel),
    );
    ctx.onSetup(hooks.postMemReclaim, (parcel) => platform.postMemReclaim(parcel));
    ctx.onSetup(
      hooks.preDemandPage,
      (folio) => platform.preDemandPage(folio),
      (folio) => platform.releaseDemandPage(folio),
    );
    ctx.onSetup(hooks.releaseDemandPage, (folio) => platform.releaseDemandPage(folio));
  },
});
