import type { Ipa } from "./address.ts";
import type { Clock } from "./clock.ts";
import type { Entropy } from "./entropy.ts";
import type { Trace } from "./trace.ts";

/**
 * Devices that a VMM emulates behind a window of guest physical addresses.
 *
 * A device type is chosen by name in the machine's configuration. The VMM creates the device, puts its window into the
 * guest's address map, describes it in the guest's device tree, and connects its interrupt. A device knows nothing of
 * Gunyah: a store that it asked to be notified of arrives through an ioeventfd, its interrupt leaves through an irqfd.
 */
export interface DeviceType<Options = unknown> {
  /** Name in the configuration, for example `virtio-blk`. */
  readonly type: string;
  /** Check the options before anything is created. Throws ModelError with the path of the offending key. */
  validate(options: unknown, path: string): Options;
  create(options: Options, context: DeviceContext): Device | Promise<Device>;
}

/** What a device may use. It cannot reach memory or interrupts before `Device.activate`. */
export interface DeviceContext {
  /** Unique in the VM, for example `virtio-blk0`. */
  readonly name: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
  /** For people: warnings about a guest that misbehaves. */
  log(level: "info" | "warn" | "error", message: string): void;
  /** The console of the machine: where a serial device sends bytes to and gets them from. */
  readonly console: ConsolePort;
}

/** One end of a byte stream. */
export interface ConsolePort {
  /** From the guest. `bytes` is reused after the call. */
  output(bytes: Uint8Array): void;
  /** To the guest: called with each chunk of input. One listener; @returns the function that ends it */
  onInput(listener: (bytes: Uint8Array) => void): () => void;
  /** Columns and rows, undefined when it is not a terminal. */
  readonly size: { readonly columns: number; readonly rows: number } | undefined;
  onResize(listener: () => void): () => void;
}

export interface Device {
  readonly name: string;
  /** Bytes of the register window, a multiple of 4096 at most 1 MiB. */
  readonly windowSize: number;
  /** How the device's line is wired: `level` for a line that stays up while a cause is pending, `edge` for pulses. */
  readonly interrupt: "level" | "edge";
  /** What the device tree says of it. The VMM adds `reg`, `interrupts` and, for virtio, the DMA pool. */
  readonly description: DeviceDescription;
  /** Stores that should not stop the vCPU. */
  readonly notifications?: readonly NotifyRegister[];

  /** Memory and interrupts are there now. Called once, before the guest runs. */
  activate(resources: DeviceResources): void;
  /**
   * A guest load. @param offset bytes into the window @param size 1, 2 or 4; 8-byte accesses come as two of 4
   * @returns unsigned, cut to the size
   */
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
  /** Bytes that wait in the device were written out: called before the machine stops. */
  flush?(): Promise<void>;
  /** Free what it holds. Called once; nothing else is called afterwards. */
  dispose(): void | Promise<void>;
}

export interface DeviceDescription {
  /** Name of the node without its unit address, for example `serial`. */
  readonly node: string;
  readonly properties: Readonly<Record<string, number | string | true | readonly number[] | readonly string[]>>;
  /** Fixed clocks that the binding demands: the node's `clocks` and `clock-names`. */
  readonly clocks?: readonly { readonly name: string; readonly frequencyHz: number }[];
  /** The guest's console: `/chosen/stdout-path` names the first device that says so. */
  readonly stdout?: { readonly options?: string };
  /** The device reads and writes guest memory. */
  readonly dma?: boolean;
}

/** A store of `length` bytes at `offset`, of `datamatch` where given, that only has to wake the device. */
export interface NotifyRegister {
  readonly offset: number;
  readonly length: 1 | 2 | 4;
  readonly datamatch?: number;
  notified(): void;
}

export interface DeviceResources {
  readonly memory: DmaMemory;
  readonly line: InterruptLine;
  /**
   * Do the rest of something long in a turn of its own: the guest, the embedding program and other devices get theirs
   * before. A guest decides how long a queue is, so a device takes a bounded part of it at a time.
   */
  defer(work: () => void): void;
}

/** The guest's memory as a device may touch it. */
export interface DmaMemory {
  /**
   * A live window for immediate use: it dies with the next call that may run the guest or the host kernel.
   * @returns undefined when a byte of it is not guest memory, or when the range is not contiguous here (use `read`, `write`)
   */
  window(address: Ipa, length: number, access: "r" | "rw"): Uint8Array | undefined;
  /** Copy. @returns false when a byte is not guest memory that the device may access that way */
  read(address: Ipa, into: Uint8Array): boolean;
  write(address: Ipa, bytes: Uint8Array): boolean;
}

/** The device's interrupt. */
export interface InterruptLine {
  /** Level: the state of the line. A rising edge signals the guest. */
  set(level: boolean): void;
  /** Edge: one interrupt. */
  pulse(): void;
}
