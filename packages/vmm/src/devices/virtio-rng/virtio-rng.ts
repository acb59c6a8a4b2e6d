import type { Entropy } from "@gunyah-ts/kernel";
import { VirtioDeviceId } from "../virtio/constants.ts";
import type { QueueWork, VirtioDevice, VirtioHost } from "../virtio/virtio-device.ts";
import { chainCost, scatter, totalLength } from "../virtio/virtqueue.ts";

const QUEUE = 0;
/** Most bytes that one request gets; the driver asks again. */
const MAX_BYTES = 4096;

/**
 * Entropy device: fills every buffer that the driver offers.
 * Source: VIRTIO 1.2 §5.4 Entropy Device.
 */
export class VirtioRng implements VirtioDevice {
  readonly deviceId = VirtioDeviceId.ENTROPY;
  readonly features = 0n;
  readonly queueSizes = [64];
  readonly config = new Uint8Array(0);
  readonly #entropy: Entropy;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  activate(): void {}

  reset(): void {}

  *serve(host: VirtioHost): QueueWork {
    const queue = host.queue(QUEUE);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const bytes = new Uint8Array(Math.min(totalLength(chain.writable), MAX_BYTES));
      this.#entropy.fill(bytes);
      const written = scatter(host.memory, chain.writable, bytes);
      if (written < 0) {
        host.fail("an entropy buffer is not guest memory");
        return;
      }
      queue.push(chain, written);
      yield chainCost(chain, written);
    }
  }
}
