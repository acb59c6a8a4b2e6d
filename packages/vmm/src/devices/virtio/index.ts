export { VirtioDeviceId, VirtioFeature, VirtioStatus } from "./constants.ts";
export { VirtioMmio } from "./mmio-transport.ts";
export type { VirtioDevice, VirtioHost } from "./virtio-device.ts";
export { type Chain, gather, type Segment, scatter, totalLength, Virtqueue } from "./virtqueue.ts";
