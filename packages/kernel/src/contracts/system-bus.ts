import { token } from "../token.ts";
import type { Pa } from "./address.ts";

/**
 * The SoC's device memory: what answers a load or store at a physical address that is not DRAM. Devices that a board has
 * are added before it boots; the hypervisor carries accesses of the host VM to them.
 */
export interface SystemBus {
  /**
   * Put a device on [base, base + size). @returns the function that takes it away
   * Errors: KERNEL_BUS_OVERLAP
   */
  add(name: string, base: Pa, size: number, device: BusDevice): () => void;
  /** The device that an access of `size` bytes lies in wholly. Undefined where none answers: an external abort. */
  find(pa: Pa, size: number): BusSlot | undefined;
}
export const SystemBus = token<SystemBus>("contract/SystemBus");

export interface BusSlot {
  readonly name: string;
  readonly base: Pa;
  /** Bytes. */
  readonly size: number;
  readonly device: BusDevice;
}

/** Registers behind an address. Accesses are aligned; those of 8 bytes come as two of 4, low word first. */
export interface BusDevice {
  /** @param offset bytes into the slot @param size 1, 2 or 4 @returns unsigned, cut to the size */
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
}
