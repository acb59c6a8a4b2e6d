/** The hooks that layers of a Gunyah machine meet at: each says which layer calls it. */
import type { DeviceType } from "../contracts/device.ts";
import type { DemandFolio, Errno, MemParcel, VmFunction } from "../contracts/host.ts";
import type { TraceEvent } from "../contracts/trace.ts";
import { defineHooks, event, handledEvent, selectorEvent, setupEvent } from "./define.ts";

const OK: Errno = 0;

/** The host kernel's extension points. Called by the host driver. */
export const hostHooks = defineHooks("host", {
  /**
   * Driver of one VM function type; the owner returns the same driver on every call. `await load(type)` first: the
   * plugin that declares the type is loaded at its first use, like the module alias `ghfunc:<type>`. None: ENOENT.
   * Source: Linux drivers/virt/gunyah/vm_mgr.c, gunyah_vm_get_function
   */
  vmFunction: selectorEvent<number, [], VmFunction>({ loads: "vm-function" }),
  /**
   * Before RM shares, lends or donates a parcel. A negative errno refuses; the unwinder restores.
   * Source: struct gunyah_rm_platform_ops.pre_mem_share
   */
  preMemShare: setupEvent<[parcel: MemParcel], Errno>(OK, "parcel"),
  /** After RM gave a parcel back. Source: struct gunyah_rm_platform_ops.post_mem_reclaim */
  postMemReclaim: setupEvent<[parcel: MemParcel], Errno>(OK, "parcel"),
  /** Before a folio is given to a guest on demand. Source: struct gunyah_rm_platform_ops.pre_demand_page */
  preDemandPage: setupEvent<[folio: DemandFolio], Errno>(OK, "folio"),
  /** After a demand-paged folio came back. Source: struct gunyah_rm_platform_ops.release_demand_page */
  releaseDemandPage: setupEvent<[folio: DemandFolio], Errno>(OK, "folio"),
});

/** What happens to machines, VMs and vCPUs. Called by whoever owns the object; listeners must not throw. */
export const lifecycleHooks = defineHooks("lifecycle", {
  /** `started` after every plugin started; `stopping` before the first one stops. */
  machine: event<[state: "started" | "stopping"]>("state"),
  /**
   * A layer that runs by itself, with no caller to throw to, failed: the machine cannot go on. Called by that layer with
   * what was thrown.
   */
  crash: event<[error: unknown]>("error"),
  /** Called by the host driver. State names are those of `HostVm.status`. */
  vm: event<[vmid: number, state: string]>("vmid", "state"),
  vcpu: event<[vmid: number, vcpu: number, state: "powered-on" | "powered-off" | "exited"]>("vmid", "vcpu", "state"),
});

/** What a VMM offers its guests. Called by the VMM. */
export const vmmHooks = defineHooks("vmm", {
  /** The device type of that name, for example `virtio-blk`. */
  device: selectorEvent<string, [], DeviceType>(),
});

/** What a board adds to the machine. Called by the hypervisor. */
export const socHooks = defineHooks("soc", {
  /**
   * SMC to secure firmware (EL3), for the VMs that the hypervisor lets through. Results go to `x` (X0-X17).
   * Nobody answers: X0 is NOT_SUPPORTED. See `SecureMonitor`.
   */
  smc: handledEvent<[callerVmid: number, x: BigUint64Array], true>("callerVmid", "x"),
});

/** Everything that the machine reports. Called by the kernel. */
export const traceHooks = defineHooks("trace", {
  event: event<[event: TraceEvent]>("event"),
});
