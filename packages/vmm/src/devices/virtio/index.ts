export { VirtioDeviceId, VirtioFeature } from "./constants.ts";
export { VirtioMmio } from "./mmio-transport.ts";
export type { QueueWork, VirtioDevice, VirtioHost } from "./virtio-device.ts";
export { type Chain, chainCost, gather, type Segment, scatter, Virtqueue } from "./virtqueue.ts";
