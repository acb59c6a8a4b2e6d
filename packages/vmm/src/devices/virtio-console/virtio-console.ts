import type { ConsolePort } from "@gunyah-ts/kernel";
import { VirtioDeviceId } from "../virtio/constants.ts";
import type { QueueWork, VirtioDevice, VirtioHost } from "../virtio/virtio-device.ts";
import { chainCost, gather, scatter, totalLength } from "../virtio/virtqueue.ts";

const RECEIVE = 0;
const TRANSMIT = 1;
const F_SIZE = 1n << 0n;
/** Bytes of one transmit buffer that are taken; Linux sends at most a page. */
const MAX_TRANSMIT = 1 << 20;
/** Input kept while the driver offers no buffer. */
const MAX_INPUT = 1 << 16;

/**
 * Console device with one port.
 * Source: VIRTIO 1.2 §5.3 Console Device.
 */
export class VirtioConsole implements VirtioDevice {
  readonly deviceId = VirtioDeviceId.CONSOLE;
  readonly features = F_SIZE;
  readonly queueSizes = [64, 64];
  /** cols 0:2, rows 2:2, max_nr_ports 4:4, emerg_wr 8:4. §5.3.4 */
  readonly config = new Uint8Array(12);

  readonly #console: ConsolePort;
  readonly #end: (() => void)[] = [];
  #input = new Uint8Array(0);
  #host: VirtioHost | undefined;

  constructor(console: ConsolePort) {
    this.#console = console;
    this.#readSize();
    this.#end.push(
      console.onInput((bytes) => {
        const joined = new Uint8Array(Math.min(this.#input.length + bytes.length, MAX_INPUT));
        joined.set(this.#input);
        joined.set(bytes.subarray(0, joined.length - this.#input.length), this.#input.length);
        this.#input = joined;
        this.#host?.serve(RECEIVE);
      }),
      console.onResize(() => {
        this.#readSize();
        this.#host?.configChanged();
      }),
    );
  }

  activate(host: VirtioHost): void {
    this.#host = host;
    host.serve(RECEIVE);
  }

  reset(): void {
    this.#host = undefined;
  }

  dispose(): void {
    for (const end of this.#end) end();
  }

  serve(host: VirtioHost, queue: number): QueueWork {
    return queue === RECEIVE ? this.#receive(host) : this.#transmit(host);
  }

  #readSize(): void {
    const view = new DataView(this.config.buffer);
    view.setUint16(0, this.#console.size?.columns ?? 80, true);
    view.setUint16(2, this.#console.size?.rows ?? 25, true);
  }

  *#transmit(host: VirtioHost): QueueWork {
    const queue = host.queue(TRANSMIT);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const bytes = gather(host.memory, chain.readable, MAX_TRANSMIT);
      if (bytes === undefined) {
        host.fail("a transmit buffer is not guest memory");
        return;
      }
      this.#console.output(bytes);
      queue.push(chain, 0);
      yield chainCost(chain, bytes.length);
    }
  }

  *#receive(host: VirtioHost): QueueWork {
    const queue = host.queue(RECEIVE);
    while (this.#input.length > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const written = scatter(host.memory, chain.writable, this.#input);
      if (written < 0 || totalLength(chain.writable) === 0) {
        host.fail("a receive buffer is empty or not guest memory");
        return;
      }
      this.#input = this.#input.subarray(written);
      queue.push(chain, written);
      yield chainCost(chain, written);
    }
  }
}
