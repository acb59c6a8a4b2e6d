/**
 * What vCPUs and the scheduler need from an address space. `Addrspace` is the implementation.
 */

import type { Ipa, Pa } from "@gunyah-ts/kernel";
import type { InfoArea } from "./pv-time.ts";

/** Kind of access, as bits: the stage-2 permission that it needs. */
export const Stage2Access = { READ: 4, WRITE: 2, EXECUTE: 1 } as const;

/** Result of a failed translation. Physical addresses are never negative. */
export const Stage2Fault = {
  /** No valid descriptor: DFSC translation fault. */
  TRANSLATION: -1,
  /** A valid descriptor that does not allow the access: DFSC permission fault. */
  PERMISSION: -2,
} as const;

/** A register block of the hypervisor inside an address space: the frames of the virtual GIC, virtio-mmio registers. */
export interface VdeviceFrame {
  readonly base: Ipa;
  /** Bytes. */
  readonly size: number;
  readonly device: Vdevice;
  /** Index given at addrspace_attach_vdevice. For a VIC: 0 the distributor, n the redistributor of vCPU n - 1. */
  readonly index: number;
}

/** Registers that the hypervisor emulates itself. */
export interface Vdevice {
  /** Whether the registers at `offset` can be accessed with this width; every width when absent. */
  vdeviceAllows?(index: number, offset: number, size: number): boolean;
  /**
   * @param index index of the frame
   * @param offset bytes from the start of the frame
   * @param size 1, 2, 4 or 8 bytes; a device sees 8 as two accesses of 4, low word first
   * @returns the value, 32 bits unsigned, or -1 when the access faults
   */
  vdeviceRead(index: number, offset: number, size: 1 | 2 | 4): number;
  /** @returns false when the access faults */
  vdeviceWrite(index: number, offset: number, size: 1 | 2 | 4, value: number): boolean;
}

export interface VcpuAddressSpace {
  readonly vmid: number;
  /** VTTBR_EL2: VMID and the stage-2 root table. */
  readonly vttbr: bigint;
  readonly vtcr: bigint;
  /** Extra HCR_EL2 bits that the format of the tables asks for (FWB), 0n for none. */
  readonly hcr: bigint;
  /**
   * Walk stage 2 for one byte.
   * @param access `Stage2Access` bits
   * @returns the physical address or a `Stage2Fault`
   */
  translate(ipa: Ipa, access: number): Pa | number;
  /** Counts changes of translations: a cached translation is good while this stays the same. */
  readonly generation: number;
  /** Whether every byte of the access lies in one range added by addrspace_configure_vmmio. */
  isVmmio(ipa: Ipa, size: number): boolean;
  /** Whether the address lies in a range whose pages the proxy provides on demand. */
  isDemandPaged(ipa: Ipa): boolean;
  /** The vdevice frame that holds the whole access. */
  vdeviceAt(ipa: Ipa, size: number): VdeviceFrame | undefined;
  /** The same, for registers in mapped memory alone: where stores fault on permission. */
  vdeviceInMemory(ipa: Ipa, size: number): VdeviceFrame | undefined;
  /** IPA of the info area (PV time records), undefined when there is none. */
  readonly infoArea: InfoArea | undefined;
}
