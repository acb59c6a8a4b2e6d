export { VirtioDeviceId, VirtioFeature } from "./constants.ts";
export { VirtioMmio } from "./mmio-transport.ts";
export type { VirtioDevice, VirtioHost } from "./virtio-device.ts";
export { type Chain, gather, type Segment, scatter, Virtqueue } from "./virtqueue.ts";
