import { GicFrame } from "@gunyah-ts/abi";
import { type LoadedKernel, loadKernel } from "@gunyah-ts/boot-image";
import { type DeviceTree, writeDtb } from "@gunyah-ts/devicetree";
import { type Device, type DeviceContext, type DeviceType, type Entropy, ModelError } from "@gunyah-ts/kernel";
import { AddressMap, describe, type Placement } from "./address-map.ts";
import { buildGuestTree, type GuestTreeOptions, type PlacedDevice } from "./guest-tree.ts";
import { GuestLayout } from "./layout.ts";
import type { DeviceConfig, VirtualMachineOptions } from "./options.ts";
import { UserTree } from "./user-tree.ts";

/** Everything about a VM that can be decided before the first system call: nothing has to be undone when it is refused. */
export interface VmPlan {
  readonly ram: Placement;
  readonly cpus: number;
  readonly kernel: LoadedKernel;
  readonly initrd: Placement | undefined;
  readonly dmaPool: Placement | undefined;
  readonly dtb: Placement;
  readonly devices: readonly (PlacedDevice & { readonly device: Device })[];
  readonly tree: DeviceTree;
  readonly dtbBytes: Uint8Array;
}

const PAGE = 4096;
const BLOCK = 2 * 1024 * 1024;

/** Errors: IMAGE_*, VMM_LAYOUT_*, VMM_CPUS, VMM_DTB_INVALID, VMM_DEVICE_* */
export async function planVm(
  options: VirtualMachineOptions,
  services: {
    readonly deviceType: (type: string) => DeviceType | undefined;
    readonly deviceContext: (name: string) => DeviceContext;
    readonly entropy: Entropy;
    readonly memory: number;
  },
): Promise<VmPlan> {
  const cpus = options.cpus ?? 1;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > GuestLayout.MAX_CPUS)
    throw new ModelError("VMM_CPUS", `${cpus} vCPUs; give 1 to ${GuestLayout.MAX_CPUS}`);
  if (options.initrd?.length === 0) throw new ModelError("IMAGE_EMPTY", "the initrd is empty");

  const map = new AddressMap();
  const ram = { name: "guest memory", address: GuestLayout.RAM_BASE, size: services.memory };
  const kernel = await loadKernel(options.kernel, { ramBase: ram.address, address: options.kernelAddress });
  for (const { name, address, memorySize } of kernel.segments) map.addInside({ name, address, size: memorySize }, ram);

  // The device tree takes the end of memory, the devices' pool lies below; the initrd goes behind the kernel.
  const end = ram.address + ram.size;
  const dtb = { name: "device tree", address: end - GuestLayout.DTB_SIZE, size: GuestLayout.DTB_SIZE };
  map.addInside(dtb, ram);
  const initrd = options.initrd === undefined ? undefined : placeInitrd(options.initrd, kernel, ram, map);

  const user = options.dtb === undefined ? undefined : new UserTree(options.dtb);
  const gic = user?.gic ?? {
    distributor: GuestLayout.GIC_DISTRIBUTOR,
    redistributors: GuestLayout.GIC_DISTRIBUTOR - GicFrame.REDISTRIBUTOR * cpus,
  };
  map.add({ name: "GIC distributor", address: gic.distributor, size: GicFrame.DISTRIBUTOR });
  map.add({
    name: "GIC redistributors",
    address: gic.redistributors,
    size: GicFrame.REDISTRIBUTOR * cpus,
  });
  const devices = await placeDevices(options.devices ?? [{ type: "pl011" }], services, map, user);

  // v14 shares all of memory; with lent memory devices need some that is shared.
  const needsPool = options.abi !== "v14" && devices.some(({ description }) => description.dma === true);
  const dmaPool = needsPool
    ? { name: "DMA pool", address: dtb.address - GuestLayout.DMA_POOL_SIZE, size: GuestLayout.DMA_POOL_SIZE }
    : undefined;

  const rngSeed = new Uint8Array(32);
  services.entropy.fill(rngSeed);
  const treeOptions: GuestTreeOptions = {
    ram,
    cpus,
    devices,
    cmdline: options.cmdline ?? "",
    initrd,
    rngSeed,
    dmaPool,
    gic,
  };
  try {
    if (dmaPool !== undefined) map.addInside(dmaPool, ram);
    const tree = user?.complete(treeOptions) ?? buildGuestTree(treeOptions);
    const dtbBytes = writeDtb(tree);
    if (dtbBytes.length > dtb.size)
      throw new ModelError("VMM_LAYOUT_OUTSIDE", `${dtbBytes.length} bytes do not fit into ${describe(dtb)}`);
    return { ram, cpus, kernel, initrd, dmaPool, dtb, devices, tree, dtbBytes };
  } catch (error) {
    for (const { device } of devices) await device.dispose();
    throw error;
  }
}

/** Behind the kernel, on a page: anywhere within the kernel's first 32 GiB is fine for arm64. */
function placeInitrd(bytes: Uint8Array, kernel: LoadedKernel, ram: Placement, map: AddressMap): Placement {
  const kernelEnd = Math.max(...kernel.segments.map(({ address, memorySize }) => address + memorySize));
  const address = Math.ceil(kernelEnd / BLOCK) * BLOCK;
  const initrd = { name: "initrd", address, size: Math.ceil(bytes.length / PAGE) * PAGE };
  map.addInside(initrd, ram);
  return { ...initrd, size: bytes.length };
}

async function placeDevices(
  configs: readonly DeviceConfig[],
  services: {
    readonly deviceType: (type: string) => DeviceType | undefined;
    readonly deviceContext: (name: string) => DeviceContext;
  },
  map: AddressMap,
  user: UserTree | undefined,
): Promise<(PlacedDevice & { readonly device: Device })[]> {
  const placed: (PlacedDevice & { readonly device: Device })[] = [];
  const ofType = new Map<string, number>();
  const ofCompatible = new Map<string, number>();
  try {
    for (const [index, { type, ...options }] of configs.entries()) {
      const path = `devices[${index}]`;
      const deviceType = services.deviceType(type);
      if (deviceType === undefined)
        throw new ModelError("VMM_DEVICE_UNKNOWN", `${path}: no plugin provides a device of type "${type}"`, { path });
      const checked = deviceType.validate(Object.keys(options).length === 0 ? undefined : options, path);
      const count = next(ofType, type);
      const device = await deviceType.create(checked, services.deviceContext(`${type}${count}`));
      const compatible = [device.description.properties["compatible"]].flat()[0];
      const described =
        typeof compatible === "string" ? user?.find(compatible, next(ofCompatible, compatible)) : undefined;
      const place = described ?? {
        address: GuestLayout.DEVICE_BASE + index * GuestLayout.DEVICE_STRIDE,
        spi: GuestLayout.FIRST_SPI + index,
      };
      const { name, windowSize, interrupt, description } = device;
      placed.push({ name, windowSize, interrupt, description, device, ...place });
      map.add({ name, address: place.address, size: windowSize });
      if (place.address + windowSize > GuestLayout.MMIO_END)
        throw new ModelError(
          "VMM_LAYOUT_OUTSIDE",
          `${name} at 0x${place.address.toString(16)}: emulated devices lie below 0x${GuestLayout.MMIO_END.toString(16)}`,
        );
    }
  } catch (error) {
    for (const { device } of placed) await device.dispose();
    throw error;
  }
  return placed;
}

function next(counts: Map<string, number>, key: string): number {
  const count = counts.get(key) ?? 0;
  counts.set(key, count + 1);
  return count;
}
