import type { Device } from "@gunyah-ts/kernel";
import type { VcpuExit } from "@gunyah-ts/vm-manager";

/** Finds the device behind a guest physical address. */
export class MmioBus {
  readonly #windows: { readonly address: number; readonly end: number; readonly device: Device }[] = [];
  #latest = 0;

  add(address: number, device: Device): void {
    this.#windows.push({ address, end: address + device.windowSize, device });
  }

  /** @param size 1, 2, 4 or 8 bytes @returns the value's words, undefined where there is no device */
  read(address: number, size: number): { readonly low: number; readonly high: number } | undefined {
    const window = this.#find(address, size);
    if (window === undefined) return undefined;
    const offset = address - window.address;
    if (size <= 4) return { low: window.device.read(offset, size), high: 0 };
    return { low: window.device.read(offset, 4), high: window.device.read(offset + 4, 4) };
  }

  /** @returns false where there is no device */
  write(address: number, size: number, low: number, high: number): boolean {
    const window = this.#find(address, size);
    if (window === undefined) return false;
    const offset = address - window.address;
    window.device.write(offset, Math.min(size, 4), low);
    if (size === 8) window.device.write(offset + 4, 4, high);
    return true;
  }

  /** Do what an MMIO exit asks for. @returns false where there is no device */
  serve(exit: VcpuExit): boolean {
    const { address, length } = exit;
    if (exit.isWrite) {
      const high = length === 8 ? Number(exit.value64 >> 32n) : 0;
      return this.write(address, length, exit.value, high);
    }
    const value = this.read(address, length);
    if (value === undefined) return false;
    if (length === 8) exit.value64 = (BigInt(value.high) << 32n) | BigInt(value.low);
    else exit.value = value.low;
    return true;
  }

  /** Accesses come in runs to one device: look at the latest first. */
  #find(address: number, size: number) {
    const latest = this.#windows[this.#latest];
    if (latest !== undefined && address >= latest.address && address + size <= latest.end) return latest;
    const index = this.#windows.findIndex((window) => address >= window.address && address + size <= window.end);
    if (index < 0) return undefined;
    this.#latest = index;
    return this.#windows[index];
  }
}
