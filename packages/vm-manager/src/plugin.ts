import { AbiProfiles, DEFAULT_ABI_PROFILE } from "@gunyah-ts/abi";
import { Clock, definePlugin, HostKernel, Hypercalls, hostHooks, lifecycleHooks, VmManager } from "@gunyah-ts/kernel";
import { HostDriver } from "./host-driver.ts";

/** Options of the host driver, as a machine's configuration gives them. */
export interface VmManagerOptions {
  /** Revision of the Linux series whose ABI and behaviour the driver has. */
  readonly abi: "v14" | "v15" | "v16" | "v17";
  /** Give up a call to RM after this long, milliseconds of the machine's clock. 0: never, like Linux. */
  readonly rmTimeoutMs: number;
}

/** Provides the host driver, and to modules the inside of its kernel. */
export const vmManager = definePlugin<VmManagerOptions>({
  name: "@gunyah-ts/vm-manager",
  version: "0.1.0",
  provides: [VmManager, HostKernel, Hypercalls],
  requires: [Clock],
  options: {
    abi: {
      type: "string",
      default: DEFAULT_ABI_PROFILE.name,
      check: (name) =>
        Object.hasOwn(AbiProfiles, name) ? undefined : `it must be ${Object.keys(AbiProfiles).join(", ")}`,
    },
    rmTimeoutMs: { type: "number", default: 0, check: (ms) => (ms >= 0 ? undefined : "it must not be negative") },
  },
  setup(ctx, { abi, rmTimeoutMs }) {
    const clock = ctx.get(Clock);
    const host = ctx.hooks(hostHooks);
    const { vm } = ctx.hooks(lifecycleHooks);
    const { faults } = ctx;
    const driver = new HostDriver({
      clock,
      trace: ctx.trace,
      profile: AbiProfiles[abi],
      functions: { get: (type) => host.vmFunction.call(type), load: (type) => host.vmFunction.load(type) },
      platform: {
        preMemShare: (parcel) => host.preMemShare.call(parcel),
        postMemReclaim: (parcel) => host.postMemReclaim.call(parcel),
        preDemandPage: (folio) => host.preDemandPage.call(folio),
        releaseDemandPage: (folio) => host.releaseDemandPage.call(folio),
      },
      onVmState: (vmid, state) => vm.call(vmid, state),
      rmTimeoutTicks: Math.ceil((rmTimeoutMs * clock.frequencyHz) / 1000),
      fault: (point) => faults.armed && faults.hit(point),
    });
    ctx.onDispose(() => driver.stop());
    ctx.provide(VmManager, driver);
    ctx.provide(HostKernel, driver.moduleKernel);
    ctx.provide(Hypercalls, driver.moduleHypercalls);
  },
});
