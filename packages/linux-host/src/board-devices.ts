import {
  type BusDevice,
  type Device,
  type DeviceContext,
  type DeviceType,
  type DmaMemory,
  type Hypervisor,
  type InterruptLine,
  type Intid,
  type Ipa,
  ModelError,
  type NotifyRegister,
  type SystemBus,
  type VmMemory,
} from "@gunyah-ts/kernel";
import { type DeviceConfig, GuestLayout, type PlacedDevice } from "@gunyah-ts/vmm";

/** INTID of SPI 0. Source: IHI 0069H §2.2.1 */
const FIRST_SPI_INTID = 32;

export interface BoardDeviceServices {
  readonly bus: SystemBus;
  readonly hypervisor: Hypervisor;
  readonly hostVmid: number;
  readonly deviceType: (type: string) => DeviceType | undefined;
  readonly context: (name: string) => DeviceContext;
}

/**
 * The board's devices: the VMM's models on the system bus instead of behind `/dev/gunyah`. Their interrupts are SPIs of the
 * board's GIC, their DMA goes through the host VM's stage 2.
 */
export class BoardDevices {
  readonly placed: readonly PlacedDevice[];
  readonly #devices: readonly Device[];
  readonly #memory: VmMemory;
  readonly #removers: (() => void)[] = [];

  private constructor(devices: readonly Device[], services: BoardDeviceServices) {
    this.#devices = devices;
    this.#memory = services.hypervisor.memoryOf(services.hostVmid);
    this.placed = devices.map(({ name, windowSize, interrupt, description }, index) => ({
      name,
      windowSize,
      interrupt,
      description,
      address: GuestLayout.DEVICE_BASE + index * GuestLayout.DEVICE_STRIDE,
      spi: GuestLayout.FIRST_SPI + index,
    }));
    for (const [index, device] of devices.entries()) {
      const { name, address, spi } = this.placed[index] as PlacedDevice;
      const { clock } = services.context(name);
      device.activate({
        memory: new HostDma(this.#memory),
        line: new SpiLine(services.hypervisor, FIRST_SPI_INTID + spi),
        defer: (work) => void clock.at(clock.now() + 1, work),
      });
      this.#removers.push(services.bus.add(name, address, device.windowSize, new Notifying(device)));
    }
  }

  /** Create, place and activate. Nothing is left behind when one fails. Errors: HOST_DEVICE_UNKNOWN, and the devices' own */
  static async create(configs: readonly DeviceConfig[], services: BoardDeviceServices): Promise<BoardDevices> {
    const devices: Device[] = [];
    const counts = new Map<string, number>();
    try {
      for (const [index, { type, ...options }] of configs.entries()) {
        const path = `host.devices[${index}]`;
        const deviceType = services.deviceType(type);
        if (deviceType === undefined)
          throw new ModelError("HOST_DEVICE_UNKNOWN", `${path}: no plugin provides a device of type "${type}"`, {
            path,
          });
        const checked = deviceType.validate(Object.keys(options).length === 0 ? undefined : options, path);
        const count = counts.get(type) ?? 0;
        counts.set(type, count + 1);
        devices.push(await deviceType.create(checked, services.context(`${type}${count}`)));
      }
      return new BoardDevices(devices, services);
    } catch (error) {
      for (const device of devices) await device.dispose();
      throw error;
    }
  }

  /** Bytes that wait in devices are written out. */
  async flush(): Promise<void> {
    for (const device of this.#devices) await device.flush?.();
  }

  async dispose(): Promise<void> {
    for (const remove of this.#removers.splice(0)) remove();
    for (const device of this.#devices) await device.dispose();
    this.#memory.dispose();
  }
}

/** A device's registers; stores that it wants to be notified of go there, as an ioeventfd would carry them. */
class Notifying implements BusDevice {
  readonly #device: Device;
  readonly #notifications: readonly NotifyRegister[];

  constructor(device: Device) {
    this.#device = device;
    this.#notifications = device.notifications ?? [];
  }

  read(offset: number, size: number): number {
    return this.#device.read(offset, size);
  }

  write(offset: number, size: number, value: number): void {
    const register = this.#notifications.find(
      (each) =>
        each.offset === offset && each.length === size && (each.datamatch === undefined || each.datamatch === value),
    );
    if (register === undefined) this.#device.write(offset, size, value);
    else register.notified();
  }
}

/** A device's wire to the board's GIC. */
class SpiLine implements InterruptLine {
  readonly #hypervisor: Hypervisor;
  readonly #intid: Intid;

  constructor(hypervisor: Hypervisor, intid: Intid) {
    this.#hypervisor = hypervisor;
    this.#intid = intid;
  }

  set(level: boolean): void {
    this.#hypervisor.setSpi(this.#intid, level);
  }

  pulse(): void {
    this.#hypervisor.setSpi(this.#intid, true);
    this.#hypervisor.setSpi(this.#intid, false);
  }
}

class HostDma implements DmaMemory {
  readonly #memory: VmMemory;

  constructor(memory: VmMemory) {
    this.#memory = memory;
  }

  window(address: Ipa, length: number, access: "r" | "rw"): Uint8Array | undefined {
    const window = this.#memory.window(address, length, access);
    // Reported before the stores: nothing executes between here and there.
    if (window !== undefined && access === "rw") this.#memory.wrote(address, length);
    return window;
  }

  read(address: Ipa, into: Uint8Array): boolean {
    return this.#memory.read(address, into);
  }

  write(address: Ipa, bytes: Uint8Array): boolean {
    return this.#memory.write(address, bytes);
  }
}
