export { Pl011, pl011 } from "./devices/pl011/index.ts";
export { Uart16550, uart16550 } from "./devices/uart16550/index.ts";
export {
  type Chain,
  gather,
  type Segment,
  scatter,
  type VirtioDevice,
  VirtioDeviceId,
  VirtioFeature,
  type VirtioHost,
  VirtioMmio,
  Virtqueue,
} from "./devices/virtio/index.ts";
export { type Disk, MemoryDisk, OverlayDisk, type VirtioBlkOptions, virtioBlk } from "./devices/virtio-blk/index.ts";
export { virtioConsole } from "./devices/virtio-console/index.ts";
export { virtioRng } from "./devices/virtio-rng/index.ts";
export { VMM_ERRORS, type VmmErrorCode } from "./errors.ts";
export { addChosen, addDevice, type PlacedDevice } from "./machine/guest-tree.ts";
export { GuestLayout } from "./machine/layout.ts";
export type { DeviceConfig, VirtualMachineOptions, VmEnd } from "./machine/options.ts";
export { VirtualMachine, type VmmServices } from "./machine/virtual-machine.ts";
export {
  pl011Device,
  uart16550Device,
  virtioBlkDevice,
  virtioConsoleDevice,
  virtioRngDevice,
  vmm,
  vmmDevices,
} from "./plugin.ts";
export { ProgramConsole } from "./program-console.ts";
export { Vmm, type VmmParts, VmmService } from "./vmm.ts";
