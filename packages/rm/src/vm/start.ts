import {
  BootContextSet,
  Hypercall,
  MemAcceptFlag,
  RmError,
  rmErrorName,
  VcpuPoweronFlags,
  VmAuth,
  VmState,
} from "@gunyah-ts/abi";
import { writeDtb as flatten } from "@gunyah-ts/devicetree";
import type { GuestConfig } from "../config/guest-config.ts";
import { onGuestTree, parseGuestConfig, parseGuestTree } from "../config/parse.ts";
import type { RmContext } from "../context.ts";
import { check, errorOf, must, RmFailure } from "../errors.ts";
import { writeGuestOverlay } from "../overlay/guest.ts";
import { parcelSize } from "../parcel/parcel.ts";
import { attempt, type Undo } from "../undo.ts";
import { makeVdevice } from "../vdevice/make.ts";
import type { Vdevice } from "../vdevice/vdevice.ts";
import { addGuestMemory, addVmmioRange, buildVm, offerMemory, offerVcpus } from "./build.ts";
import { acceptMemory, acceptUntilStarted, adoptImage, imageBase, readDtb, writeDtb } from "./image-memory.ts";
import { setState } from "./state.ts";
import type { IpaRange, Vcpu, Vm, VmImage, VmObjects } from "./vm.ts";

/** Run `work`; when it fails the VM is INIT_FAILED. @param as error to give instead of the one that happened */
function orInitFailed(rm: RmContext, vm: Vm, work: () => void, as?: RmError): void {
  try {
    work();
  } catch (thrown) {
    const error = errorOf(thrown);
    setState(rm, vm, VmState.INIT_FAILED);
    throw as === undefined || as === error ? thrown : wrapped(as, error, thrown);
  }
}

function wrapped(as: RmError, error: RmError, thrown: unknown): RmFailure {
  return new RmFailure(as, `${rmErrorName(error)}: ${(thrown as Error).message}`, thrown);
}

/**
 * VM_INIT: read the configuration from the guest's device tree, make its objects and virtual devices.
 * Errors: MEM_INVALID (tree), ARGUMENT_INVALID and DENIED (configuration), NORESOURCE (virtual devices)
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, vm_creation_process_resource
 */
export function initVm(rm: RmContext, vm: Vm): void {
  orInitFailed(rm, vm, () => {
    const image = vm.image as VmImage;
    // Its owner may have taken it back, and the capability of its extent may name something else by now.
    check(rm.parcels.get(image.parcel.handle) === image.parcel, RmError.MEM_INVALID, "image was reclaimed");
    const tree = parseGuestTree(readDtb(rm, image));
    const config = parseGuestConfig(tree);
    const { length: vcpus } = config.vcpus.cpus;
    const { physicalCpus } = rm.board;
    check(vcpus <= physicalCpus, RmError.DENIED, `${vcpus} vCPUs on a platform with ${physicalCpus} cores`);
    vm.config = config;
    vm.name = config.imageName;
    vm.uri = config.uri;
    vm.guid = config.guid;
    const owner = rm.vms.get(vm.owner) as Vm;
    const made = buildVm(rm, vm, {
      ...config,
      cpus: config.vcpus.cpus,
      isHost: false,
      proxy: config.vcpus.affinity === "proxy",
      affinityMap: config.vcpus.affinityMap,
      timesliceNs: config.vcpus.timesliceUs === undefined ? undefined : config.vcpus.timesliceUs * 1000,
      priority: config.vcpus.priorityOffset === 0 ? undefined : 32 + config.vcpus.priorityOffset,
    });
    vm.peers.add(owner.vmid);
    if (vm.auth === VmAuth.NONE) addVmmioRange(rm, made);
    addGuestMemory(rm, vm, made);
    offerVcpus(rm, vm, made, config.vcpus.affinityMap);
    try {
      // Numbers that the tree asks for are taken before the RM picks any.
      for (const vdevice of [...config.vdevices].sort((a, b) => Number(!a.interrupts) - Number(!b.interrupts))) {
        const device = makeVdevice(rm, vm, vdevice);
        if (device !== undefined) vm.vdevices.push(device);
      }
      offerMemory(rm, vm, made);
    } catch (thrown) {
      throw wrapped(RmError.NORESOURCE, errorOf(thrown), thrown);
    }
  });
  setState(rm, vm, VmState.READY);
}

/** VM_START. Source: gunyah-resource-manager src/vm_creation/vm_creation.c, vm_creation_vm_start */
export function startVm(rm: RmContext, vm: Vm): void {
  const config = vm.config as GuestConfig;
  const image = vm.image as VmImage;
  attempt((undo) => {
    orInitFailed(
      rm,
      vm,
      () => {
        check(rm.parcels.get(image.parcel.handle) === image.parcel, RmError.NORESOURCE, "image was reclaimed");
        const memory = acceptMemory(rm, vm, config, undo);
        for (const vdevice of vm.vdevices) acceptSharedMemory(rm, vm, vdevice, undo);
        overlay(rm, vm, config, image, [...vm.demandPaged, ...memory], vm.vdevices);
        adoptImage(rm, vm, undo);
      },
      RmError.NORESOURCE,
    );
    orInitFailed(rm, vm, () => powerOn(rm, vm, config, image, undo));
  });
  setState(rm, vm, VmState.RUNNING);
}

function overlay(
  rm: RmContext,
  vm: Vm,
  config: GuestConfig,
  image: VmImage,
  memory: readonly IpaRange[],
  vdevices: readonly Vdevice[],
): void {
  const tree = parseGuestTree(readDtb(rm, image));
  onGuestTree(RmError.NORESOURCE, () => {
    writeGuestOverlay(rm, vm, config, tree, memory, vdevices);
    writeDtb(rm, image, flatten(tree));
  });
}

/** shm and virtio-mmio: the parcel with the device's label, at the address that the tree gives. */
function acceptSharedMemory(rm: RmContext, vm: Vm, vdevice: Vdevice, undo: Undo): void {
  const { config } = vdevice;
  if (config.type !== "shm" && config.type !== "shm-doorbell" && config.type !== "virtio-mmio") return;
  const { label, base, isOptional } = config.memory;
  const parcel = [...rm.parcels].find(
    (candidate) =>
      candidate.label === label &&
      candidate !== vm.image?.parcel &&
      candidate.state !== "INIT" &&
      candidate.acl.some((entry) => entry.vmid === vm.vmid),
  );
  if (parcel === undefined) {
    check(isOptional, RmError.NORESOURCE, `no parcel with label ${label}`);
    return;
  }
  const { handle, memType, transType, acl, attrs } = parcel;
  const size = parcelSize(parcel);
  const { acceptance } = acceptUntilStarted(rm, vm, undo, {
    handle,
    memType,
    transType,
    flags: MemAcceptFlag.DONE | MemAcceptFlag.MAP_CONTIGUOUS,
    label,
    acl,
    mapVmid: 0,
    sgl: base === undefined ? [] : [{ address: BigInt(base), size: BigInt(size) }],
    attrs,
  });
  vdevice.memory = { base: acceptance.ipas[0] as number, size, parcel };
}

/** The boot vCPU's first instruction and X0, then what SET_BOOT_CONTEXT gave. */
function powerOn(rm: RmContext, vm: Vm, config: GuestConfig, image: VmImage, undo: Undo): void {
  const boot = (vm.objects as VmObjects).vcpus.find((vcpu) => vcpu.isBoot) as Vcpu;
  const dtb = imageBase(vm, config) + image.dtbOffset;
  // The image parcel may be no more than the device tree (Linux v15 and later); code starts where memory does.
  let entry = config.memory.base + image.imageOffset + config.entryOffset;
  let context = BigInt(dtb);
  const write = (register_set: number, register_index: number, value: bigint): void =>
    must(
      "vcpu_register_write",
      rm.hvc.call(Hypercall.vcpu_register_write, { vcpu: boot.cap, register_set, register_index, value }).error,
    );
  if (vm.auth === VmAuth.ANDROID && vm.firmware !== undefined) {
    entry = config.memory.firmwareBase ?? entry;
    write(BootContextSet.X, 1, BigInt(imageBase(vm, config) + image.imageOffset));
    write(BootContextSet.X, 2, BigInt(image.imageSize));
  }
  for (const { set, index, value } of vm.bootContext.values()) {
    if (set === BootContextSet.PC) entry = Number(value);
    else if (set === BootContextSet.X && index === 0) context = value;
    else write(set, index, value);
  }
  const flags = VcpuPoweronFlags.pack({});
  // CPU nodes that say "okay" start with the first one, without PSCI, at the same place.
  for (const { cap: vcpu, isBoot } of (vm.objects as VmObjects).vcpus) {
    if (!isBoot) continue;
    must("vcpu_poweron", rm.hvc.call(Hypercall.vcpu_poweron, { vcpu, entry_point: entry, context, flags }).error);
    undo.push(() => rm.hvc.call(Hypercall.vcpu_kill, { vcpu }));
  }
}
