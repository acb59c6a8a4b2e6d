import type {
  BoardConfig,
  BoardEnd,
  BoardPower,
  Clock,
  ConsolePort,
  DeviceType,
  Entropy,
  HostImage,
  HostLoad,
  Hypervisor,
  SystemBus,
  Trace,
} from "@gunyah-ts/kernel";
import { ModelError, token } from "@gunyah-ts/kernel";
import type { PlacedDevice } from "@gunyah-ts/vmm";
import { BoardDevices } from "./board-devices.ts";
import type { HostConfig } from "./host-config.ts";
import { loadLinux } from "./linux-image.ts";

export interface LinuxHostParts {
  readonly config: HostConfig;
  readonly bus: SystemBus;
  readonly hypervisor: Hypervisor;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
  readonly deviceType: (type: string) => DeviceType | undefined;
}

/** A real kernel as the host VM, with the board's devices. Its console and its messages are set before the machine starts. */
export class LinuxHost implements HostImage {
  readonly #parts: LinuxHostParts;
  #console: ConsolePort = SILENT;
  #log: (level: "info" | "warn" | "error", message: string) => void = () => {};
  #devices: BoardDevices | undefined;
  #placed: readonly PlacedDevice[] = [];

  constructor(parts: LinuxHostParts) {
    this.#parts = parts;
  }

  /** Where the host's serial port goes. Errors: HOST_STATE once the machine started */
  connect(console: ConsolePort, log?: (level: "info" | "warn" | "error", message: string) => void): void {
    if (this.#devices !== undefined)
      throw new ModelError("HOST_STATE", "connect the host's console before the machine starts");
    this.#console = console;
    if (log !== undefined) this.#log = log;
  }

  /** The board's devices, once the machine has started. */
  get devices(): readonly PlacedDevice[] {
    return this.#placed;
  }

  async load(board: BoardConfig): Promise<HostLoad> {
    const { config, bus, hypervisor, clock, entropy, trace, deviceType } = this.#parts;
    const devices = await BoardDevices.create(config.devices ?? [{ type: "pl011" }], {
      bus,
      hypervisor,
      hostVmid: board.hostVmid,
      deviceType,
      context: (name) => ({ name, log: this.#log, clock, entropy, trace, console: this.#console }),
    });
    this.#devices = devices;
    this.#placed = devices.placed;
    return loadLinux(config, board, devices.placed, entropy);
  }

  async dispose(): Promise<void> {
    await this.#devices?.flush();
    await this.#devices?.dispose();
    this.#devices = undefined;
  }
}

/** The host of a machine whose host VM runs a kernel image. */
export const LinuxHostService = token<LinuxHost>("linux-host/LinuxHost");

/** Resolves when the host powered off, reset or crashed. */
export function hostEnd(power: BoardPower): Promise<BoardEnd> {
  return new Promise((resolve) => {
    power.onEnd(resolve);
  });
}

const SILENT: ConsolePort = {
  output: () => {},
  onInput: () => () => {},
  size: undefined,
  onResize: () => () => {},
};
