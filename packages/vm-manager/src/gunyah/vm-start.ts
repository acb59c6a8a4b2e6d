import {
  Access,
  bootContextIndex,
  bootContextSet,
  LinuxErrno,
  MEM_HANDLE_INVALID,
  RmNotificationId,
  RmNotifications,
  VmAddressRange,
  VmAuth,
  VmState,
  virqToSpecifier,
} from "@gunyah-ts/abi";
import type { Errno, LayerError } from "@gunyah-ts/kernel";
import { PAGE_SIZE } from "../mm/host-memory.ts";
import { type Parcel, shareParcel } from "../rm/parcel.ts";
import { DtbParcel } from "./dtb-parcel.ts";
import { mergePages } from "./user-regions.ts";
import type { Vm } from "./vm.ts";

interface Step {
  readonly errno: Errno;
  readonly layers: readonly LayerError[];
}

/**
 * GUNYAH_VM_START: start the VM unless it was started. Any state but RUNNING afterwards is -ENODEV, so a start that
 * failed cannot be tried again.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_ensure_started, gunyah_vm_start
 */
export async function startVm(vm: Vm): Promise<Errno> {
  const error = await vm.statusLock.hold(async () => (vm.status === "NO_STATE" ? start(vm) : 0));
  if (error !== 0) return error;
  return vm.status === "RUNNING" ? 0 : -LinuxErrno.ENODEV;
}

async function start(vm: Vm): Promise<Errno> {
  const { rm, kernel } = vm.driver;
  kernel.takeHypervisorError();
  const failed = ({ errno, layers }: Step): Errno => {
    vm.lastErrors = layers.length > 0 ? layers : kernel.takeHypervisorError();
    return errno;
  };

  const stopListening = rm.onNotification((id, payload) => notified(vm, id, payload));
  const allocated = await rm.call("VM_ALLOCATE", { vmid: 0, reserved: 0 });
  if (allocated.errno !== 0 || allocated.value === undefined) {
    stopListening();
    return failed(allocated);
  }
  vm.vmid = allocated.value.allocated?.vmid ?? 0;
  vm.stopListening = stopListening;
  vm.setStatus("LOAD");

  const { profile } = kernel;
  // Differs: one look at it. The reference reads it at each step, though another thread may set it meanwhile.
  const { dtbConfig } = vm;
  const memory = profile.guestMemoryFds ? await lendDtb(vm, dtbConfig) : await shareRegions(vm);
  if (memory.errno !== 0) return failed(memory);

  const image = profile.guestMemoryFds ? (vm.dtb as DtbParcel) : undefined;
  const region = image === undefined ? vm.regions.covering(dtbConfig.gpa, dtbConfig.size) : undefined;
  const base = image?.gpa ?? region?.gpa;
  const handle = image?.parcel.handle ?? region?.handle;
  if (base === undefined || handle === undefined)
    return failed({ errno: -LinuxErrno.EINVAL, layers: [driverError("device tree outside every memory region")] });
  const configured = await rm.call("VM_CONFIG_IMAGE", {
    vmid: vm.vmid,
    authType: VmAuth.NONE,
    memHandle: handle,
    imageOffset: 0n,
    imageSize: 0n,
    dtbOffset: BigInt(dtbConfig.gpa - base),
    dtbSize: BigInt(dtbConfig.size),
  });
  if (configured.errno !== 0) return failed(configured);

  if (image !== undefined) {
    const ranges = vm.mm.bindings
      .filter((b) => b.isLend)
      .map((b) => ({ base: BigInt(b.gfn * PAGE_SIZE), size: BigInt(b.count * PAGE_SIZE) }));
    if (ranges.length > 0) {
      const paging = await rm.call("VM_SET_DEMAND_PAGING", { vmid: vm.vmid, ranges });
      if (paging.errno !== 0) return failed(paging);
    }
    const layout = await rm.call("VM_SET_ADDRESS_LAYOUT", {
      vmid: vm.vmid,
      rangeId: VmAddressRange.IMAGE,
      base: BigInt(image.gpa),
      size: BigInt(image.size),
    });
    if (layout.errno !== 0) return failed(layout);
  }

  const initialized = await rm.call("VM_INIT", { vmid: vm.vmid, reserved: 0 });
  if (initialized.errno !== 0) {
    vm.setStatus("INIT_FAILED");
    return failed(initialized);
  }
  vm.setStatus("READY");

  for (const [reg, value] of [...vm.bootContext].sort(([a], [b]) => a - b)) {
    const set = await rm.call("VM_SET_BOOT_CONTEXT", {
      vmid: vm.vmid,
      registerSet: bootContextSet(reg),
      registerIndex: bootContextIndex(reg),
      value,
    });
    if (set.errno !== 0) return failed(set);
  }

  const resources = await addResources(vm);
  if (resources.errno !== 0) return failed(resources);

  if (image !== undefined) {
    const error = image.adopt(vm);
    if (error !== 0) return failed({ errno: error, layers: [] });
  }
  const started = await rm.call("VM_START", { vmid: vm.vmid, reserved: 0 });
  if (started.errno !== 0) {
    image?.disown(vm);
    return failed(started);
  }
  image?.settle();
  vm.setStatus("RUNNING");
  return 0;
}

async function lendDtb(vm: Vm, config: Vm["dtbConfig"]): Promise<Step> {
  const created = await DtbParcel.create(vm, config);
  if (!(created instanceof DtbParcel)) {
    if (created.layers.length > 0) return created;
    const { gpa, size } = config;
    return { ...created, layers: [driverError(`device tree parcel 0x${gpa.toString(16)}+0x${size.toString(16)}`)] };
  }
  vm.dtb = created;
  return { errno: 0, layers: [] };
}

/** v14: every user memory region is shared before anything else. */
async function shareRegions(vm: Vm): Promise<Step> {
  const { rm, platform } = vm.driver;
  const host = await vm.driver.hostVmid();
  if (host.errno !== 0) return host;
  for (const region of vm.regions.all) {
    const rights =
      ((region.flags & 1) !== 0 ? Access.R : 0) |
      ((region.flags & 2) !== 0 ? Access.W : 0) |
      ((region.flags & 4) !== 0 ? Access.X : 0);
    const parcel: Parcel = {
      label: region.label,
      acl: [
        { vmid: vm.vmid, permissions: rights },
        { vmid: host.vmid, permissions: Access.RWX },
      ],
      entries: mergePages(region.pages),
      handle: MEM_HANDLE_INVALID,
    };
    const shared = await shareParcel(rm, platform, parcel);
    if (shared.errno !== 0) return shared;
    region.handle = parcel.handle;
    vm.regionParcels.push(parcel);
  }
  return { errno: 0, layers: [] };
}

/** GET_HYP_RESOURCES: each entry becomes a resource and is offered to the tickets, in the order of the list. */
async function addResources(vm: Vm): Promise<Step> {
  const { rm, fault } = vm.driver;
  const listed = await rm.call("VM_GET_HYP_RESOURCES", { vmid: vm.vmid, reserved: 0 });
  if (listed.errno !== 0 || listed.value === undefined) return listed;
  for (const entry of listed.value.resources) {
    const hasIrq = entry.virq !== 0;
    const badIrq = hasIrq && virqToSpecifier(entry.virq) === undefined;
    if (badIrq || fault?.("host.alloc.resource") === true)
      return {
        errno: -LinuxErrno.ENOMEM,
        layers: badIrq
          ? [
              driverError(
                `virq 0x${entry.virq.toString(16)} of resource type ${entry.type} label ${entry.label} cannot be mapped`,
              ),
            ]
          : [],
      };
    vm.resources.addResource({
      type: entry.type,
      label: entry.label,
      capId: entry.capId,
      intid: hasIrq ? entry.virq : undefined,
    });
  }
  return { errno: 0, layers: [] };
}

function driverError(detail: string): LayerError {
  return { layer: "driver", value: 0, code: "VMM_START", detail };
}

/**
 * RM notifications of this VM. Only RESET is taken from VM_STATUS: every other state is the answer to a call. Both
 * notifiers take status_lock, which start holds.
 * Source: gunyah_vm_rm_notification_{status,exited}
 */
function notified(vm: Vm, messageId: number, payload: Uint8Array): void {
  if (messageId === RmNotificationId.VM_STATUS) {
    const decoded = RmNotifications.VM_STATUS.payload.decode(payload);
    if (!decoded.ok || decoded.value.vmid !== vm.vmid || decoded.value.vmState !== VmState.RESET) return;
    vm.statusLock.post(() => vm.setStatus("RESET"));
  } else if (messageId === RmNotificationId.VM_EXITED) {
    const decoded = RmNotifications.VM_EXITED.payload.decode(payload);
    if (!decoded.ok || decoded.value.vmid !== vm.vmid) return;
    const { exitType, reason } = decoded.value;
    vm.statusLock.post(() => vm.exited(exitType, reason.length, reason));
  }
}
