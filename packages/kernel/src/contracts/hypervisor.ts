import { token } from "../token.ts";
import type { CapId, Intid, Ipa, Pa } from "./address.ts";
import type { NativePrograms } from "./native-vcpu.ts";

/**
 * Software at EL2. VMs reach it with HVC and SMC alone; this contract is what board firmware does to it.
 */
export interface Hypervisor {
  /** Programs that stand in for A64 images. Install before `boot`. */
  readonly programs: NativePrograms;
  /**
   * Boot: take the carve-out, make the root VM with the capabilities of `BootEnvironment`, power on its vCPU at
   * `BoardConfig.rootVmEntry`. X0 there is the IPA of a JSON-encoded `BootEnvironment` (length in X1's place: the
   * bytes end with a NUL).
   */
  boot(): void;
  /**
   * Run hypervisor-scheduled vCPUs for about `budget` instructions in all, for tests and tools that drive the CPUs
   * themselves. In a machine they run by themselves: a native host's WFI runs them, and where the host is A64 code the
   * hypervisor does, from `boot` to `halt`, in turns of the event loop.
   * @returns false when nothing is runnable before the clock's next deadline
   */
  schedule(budget: number): boolean;
  /** The board lost its power: no CPU runs from now on. */
  halt(): void;
  /** A device of the board drives its line to the GIC. It interrupts the VM that the RM gave the SPI to. */
  setSpi(intid: Intid, high: boolean): void;
  /** A VM's memory as a device that belongs to it reaches it: through the VM's stage 2. */
  memoryOf(vmid: number): VmMemory;
  /** A device of the board waits for something outside the machine: an idle virtual clock does not jump meanwhile. */
  external<T>(work: Promise<T>): Promise<T>;
  readonly inspect: HypervisorInspect;
}
export const Hypervisor = token<Hypervisor>("contract/Hypervisor");

export interface VmMemory {
  /**
   * A live window for immediate use: it dies with the next instruction of any vCPU. Report stores with `wrote`.
   * @returns undefined where the VM has no such access, or the range is not contiguous in physical memory
   */
  window(ipa: Ipa, size: number, access: "r" | "rw"): Uint8Array | undefined;
  wrote(ipa: Ipa, size: number): void;
  /** Copy. @returns false on any fault; nothing is copied then */
  read(ipa: Ipa, into: Uint8Array): boolean;
  write(ipa: Ipa, bytes: Uint8Array): boolean;
  dispose(): void;
}

/** Read-only look inside, for tools and tests. */
export interface HypervisorInspect {
  /** First page that breaks the ownership invariant, or undefined. Slow: walks every table. */
  checkOwnership(): OwnershipFault | undefined;
  vms(): readonly VmInfo[];
  /** Who owns a page and which VMs can access it. */
  page(pa: Pa): PageInfo;
  /** Bytes of hypervisor state, and live objects by type. */
  usage(): { readonly carveOutBytes: number; readonly objects: Readonly<Record<string, number>> };
  /** Pages that one VM can access now. */
  accessiblePages(vmid: number): number;
}
export interface OwnershipFault {
  readonly pa: Pa;
  readonly rule: string;
  readonly detail: string;
}
export interface VmInfo {
  /** VMID of the address space. */
  readonly vmid: number;
  readonly vcpus: readonly { readonly index: number; readonly state: string; readonly retired: number }[];
}
export interface PageInfo {
  /** "hypervisor", "partition", or "memextent <n>". */
  readonly owner: string;
  readonly mappings: readonly { readonly vmid: number; readonly ipa: Ipa; readonly access: string }[];
}

/**
 * What the hypervisor tells the root VM at boot. Capability ids are valid in the root VM's capability space,
 * as decimal strings because JSON has no 64-bit integers.
 * Source: gunyah-hypervisor, root VM environment data (rt_env_data_t); there it is CBOR and platform specific.
 */
export interface BootEnvironment {
  readonly vmid: number;
  readonly partition: string;
  readonly cspace: string;
  readonly addrspace: string;
  readonly vic: string;
  readonly vcpu: string;
  /** Where the root VM's own virtual GIC appears in its address space; the hypervisor attaches it before power-on. */
  readonly gic: { readonly distributor: Ipa; readonly redistributors: Ipa };
  /** The root VM's own memory, `board.rootVm`: a basic extent, with DERIVE. */
  readonly memextent: string;
  /** All DRAM that is not the carve-out; a sparse extent based at physical 0 with DERIVE and DONATE. */
  readonly ddrMemextent: string;
  /** Device memory of the SoC, likewise. */
  readonly deviceMemextent: string;
  /** hwirq object capability of each SPI, by INTID. */
  readonly hwirqs: Readonly<Record<string, string>>;
  readonly board: BoardConfig;
}

/** The SoC as firmware describes it. Plain data; addresses in bytes. From a SoC preset of the machine's config. */
export interface BoardConfig {
  readonly name: string;
  readonly dram: { readonly base: Pa; readonly size: number };
  /** The hypervisor's own memory: tables and objects. At the top of DRAM by convention. */
  readonly carveOut: { readonly base: Pa; readonly size: number };
  /** Memory of the root VM (image, heap, message buffers). */
  readonly rootVm: { readonly base: Pa; readonly size: number };
  readonly rootVmEntry: Pa;
  /** Where the host VM's image starts and where its device tree blob lies (inside host DRAM). */
  readonly hostEntry: Pa;
  readonly hostDtb: { readonly base: Pa; readonly size: number };
  readonly hostVmid: number;
  readonly physicalCpus: number;
  /** Host VM vCPUs, at most `physicalCpus`. */
  readonly hostCpus: number;
  /** Host VM's virtual GIC: where it appears in the host's address space. */
  readonly hostGic: { readonly distributor: Ipa; readonly redistributors: Ipa };
  readonly timerFrequencyHz: number;
  /** First SPI INTID that the RM may hand out in the host VM. */
  readonly freeSpiStart: Intid;
  /** DRAM that holds the access control unit's table, on SoCs that have one. No VM's memory. */
  readonly accessControl?: { readonly base: Pa; readonly size: number };
}
/** The board that this machine models. Provided by the SoC preset in the machine's configuration. */
export const Board = token<BoardConfig>("contract/Board");

/**
 * Secure firmware (EL3) calls that the hypervisor lets a VM make. First service to answer wins.
 * @returns false when the function id is not handled (X0 becomes NOT_SUPPORTED, -1)
 */
export interface SecureMonitor {
  smc(callerVmid: number, x: BigUint64Array): boolean;
}

export type { CapId };
