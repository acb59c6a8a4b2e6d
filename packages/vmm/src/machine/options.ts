import type { ConsolePort } from "@gunyah-ts/kernel";

/** One device of a VM: a type, and that type's options. */
export interface DeviceConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

/** A VM as its user describes it. Sizes and addresses in bytes. */
export interface VirtualMachineOptions {
  /** Guest memory, a multiple of 2 MiB. Default 256 MiB. */
  readonly memory?: number;
  /** vCPUs, 1 to 8. Default 1. */
  readonly cpus?: number;
  /** arm64 Image (raw, gzip, EFI-zboot), ELF or flat binary. */
  readonly kernel: Uint8Array;
  /** Load address of an Image or a flat binary; ELF files say their own. */
  readonly kernelAddress?: number;
  readonly initrd?: Uint8Array;
  /** A device tree of the user's own. */
  readonly dtb?: Uint8Array;
  /** Kernel command line. */
  readonly cmdline?: string;
  /** Default: a PL011. */
  readonly devices?: readonly DeviceConfig[];
  readonly console: ConsolePort;
  /** `v14` gives all memory at start, `v17` page by page. Must be the driver's own. Default v17. */
  readonly abi?: "v14" | "v15" | "v16" | "v17";
  /** Doorbells, ioeventfds... of the user's own: functions added before start. */
  readonly functions?: readonly { readonly type: number; readonly arg: Uint8Array }[];
  readonly log?: (level: "info" | "warn" | "error", message: string) => void;
}

/** How a VM ended. */
export interface VmEnd {
  readonly reason: "off" | "reset" | "crash" | "load-failed" | "stopped";
  /** RM's exit type, see VmExitType; -1 when the VMM stopped it. */
  readonly exitType: number;
}
